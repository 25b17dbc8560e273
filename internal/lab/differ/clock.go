package differ

import (
	"errors"
	"time"
)

// clock is the model's time. Without waits it is real time. With waits it stands still but for them: the kernel's
// timers, which do not, are rounded up to the second whenever they are aged, so that what passed in truth is taken
// back.
type clock struct {
	begun   time.Time
	last    time.Time // of the last aging, or the last sleep
	virtual bool
	at      int64
	// drift is how many whole seconds passed between two agings: the rounding cannot take those back.
	drift time.Duration
}

func newClock() clock { return clock{begun: time.Now(), last: time.Now(), at: 1e15} }

func (c *clock) begin(virtual bool) {
	if c.at = c.now(); virtual {
		c.virtual, c.last = true, time.Now()
	}
}

func (c *clock) now() int64 {
	if c.virtual {
		return c.at
	}
	return int64(time.Since(c.begun)) + 1e15
}

func (c *clock) aged() {
	c.drift += time.Since(c.last).Truncate(time.Second)
	c.last = time.Now()
}

// behind is how much less the kernel's timers may have left than the model's.
func (c *clock) behind() time.Duration {
	if !c.virtual {
		return 0
	}
	return c.drift + time.Since(c.last)
}

func (c *clock) slept() { c.last = time.Now() }

func (c *clock) pass(d time.Duration) { c.at += int64(d) }

// errSlow says that so much time passed in truth that the kernel alone may have seen a timer run out.
var errSlow = errors.New("the machine is too slow for so many sequences at once")

// steady fails when real time came near what UDP's rule measures, or a step took so long that a timer may have run out
// within it.
func (c *clock) steady(udp bool, step time.Duration) error {
	if step > sleeps || udp && c.virtual && time.Since(c.last) > sleeps*9/10 {
		return errSlow
	}
	return nil
}
