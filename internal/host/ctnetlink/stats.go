package ctnetlink

import (
	"context"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Stats are a namespace's figures; what a kernel does not tell is nil.
type Stats struct {
	Count *uint64
	Max   *uint64 // the machine's; kernels before 4.18 do not tell
}

// CPUStats are one CPU's counters in a namespace, by the kernel's names. They are 32 bits wide and wrap.
type CPUStats struct {
	CPU      int
	Counters map[string]uint64
}

// counterNames are the counters by attribute number; those that kernels since 4.9 leave at zero are
// shown as they are sent.
var counterNames = [...]string{
	1: "searched", 2: "found", 3: "new", 4: "invalid", 5: "ignore", 6: "delete", 7: "delete_list", 8: "insert",
	9: "insert_failed", 10: "drop", 11: "early_drop", 12: "error", 13: "search_restart", 14: "clash_resolve", 15: "chain_toolong",
}

// expectCounterNames are the expectation table's.
var expectCounterNames = [...]string{1: "new", 2: "create", 3: "delete"}

// Stats asks for the count and max of the namespace.
func (c *Conn) Stats(ctx context.Context) (Stats, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats(ctx)
}

func (c *Conn) stats(ctx context.Context) (Stats, error) {
	var st Stats
	// The answer says that more follow and none does; the acknowledgement that is asked for ends it.
	err := c.ask(ctx, "read statistics", subsysCT|msgGetStats, unix.NLM_F_ACK, unix.AF_UNSPEC, 0, nil, func(_ header, msg []byte) error {
		return eachU32(msg, func(typ uint16, v uint32) {
			n := uint64(v)
			switch typ {
			case 1:
				st.Count = &n
			case 2:
				st.Max = &n
			}
		})
	})
	return st, err
}

// eachU32 calls fn for each 32-bit attribute of a message.
func eachU32(msg []byte, fn func(typ uint16, v uint32)) error {
	if len(msg) < bodyStart {
		return &DecodeError{What: "message without a body"}
	}
	b := msg[bodyStart:]
	for {
		typ, v, rest, ok := next(b)
		if !ok {
			if len(rest) > 0 {
				return &DecodeError{Offset: len(msg) - len(rest), What: "attribute length"}
			}
			return nil
		}
		if len(v) == 4 {
			fn(typ, binary.BigEndian.Uint32(v))
		}
		b = rest
	}
}

// CPUStats asks for the counters of each CPU of the namespace.
func (c *Conn) CPUStats(ctx context.Context) ([]CPUStats, error) {
	return c.cpuStats(ctx, subsysCT|msgGetStatsCPU, counterNames[:])
}

// ExpectCPUStats asks for the expectation table's counters of each CPU.
func (c *Conn) ExpectCPUStats(ctx context.Context) ([]CPUStats, error) {
	return c.cpuStats(ctx, subsysExp|msgExpGetStatsCPU, expectCounterNames[:])
}

func (c *Conn) cpuStats(ctx context.Context, typ uint16, names []string) ([]CPUStats, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []CPUStats
	err := c.ask(ctx, "read counters", typ, unix.NLM_F_DUMP, unix.AF_UNSPEC, 0, nil, func(_ header, msg []byte) error {
		if len(msg) < bodyStart {
			return &DecodeError{What: "message without a body"}
		}
		st := CPUStats{CPU: int(binary.BigEndian.Uint16(msg[bodyStart-2:])), Counters: map[string]uint64{}}
		err := eachU32(msg, func(typ uint16, v uint32) {
			if int(typ) < len(names) && names[typ] != "" {
				st.Counters[names[typ]] = uint64(v)
			}
		})
		all = append(all, st)
		return err
	})
	return all, err
}

// Sum adds the counters of all CPUs.
func Sum(cpus []CPUStats) map[string]uint64 {
	sum := map[string]uint64{}
	for _, st := range cpus {
		for name, v := range st.Counters {
			sum[name] += v
		}
	}
	return sum
}
