package workload

import (
	"container/heap"
	"math"
	"time"
)

// Generator yields a workload's packets.
type Generator struct {
	w     *Workload
	start int64
	rand  uint64
	queue queue
	buf   []byte
	id    uint64
}

// event is what happens next: an arrival of a class (talk nil), or a flow's next packet.
type event struct {
	at    int64 // since the start
	order uint64
	class int
	talk  *talk
}

// queue is a heap of events by time, then by the order of their making.
type queue []event

// Len, Less, Swap, Push and Pop are heap.Interface.
func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push adds an event.
func (q *queue) Push(x any) { *q = append(*q, x.(event)) }

// Pop takes the last.
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// Packets starts the workload at a time in nanoseconds.
func (w *Workload) Packets(start int64) *Generator {
	g := &Generator{w: w, start: start, rand: w.Seed ^ 0x6a09e667f3bcc909}
	for i := range w.Classes {
		g.arrive(i, int64(w.Classes[i].From))
	}
	for i := range w.Present {
		g.goOn(&w.Present[i])
	}
	return g
}

// goOn takes up a flow that began before: how long it still lasts is drawn like a whole life, which is so for
// exponential ones.
func (g *Generator) goOn(p *Present) {
	c := &g.w.Classes[p.Class]
	f := &talk{class: c, client: p.Client, host: p.Host, back: p.Back, every: p.Every, stage: question, left: g.lifetime(c),
		seq: [2]uint32{uint32(g.draw()), uint32(g.draw())}}
	wait := p.Every / 2
	if f.left < wait {
		f.stage, wait = closing, f.left
		if c.Protocol != TCP || c.End == Silence {
			return
		}
	}
	f.left -= wait
	g.push(event{at: int64(wait), class: p.Class, talk: f})
}

// Next returns the next packet, valid until the next call, and when it is sent; false after the last.
func (g *Generator) Next() (at int64, ip []byte, ok bool) {
	if len(g.queue) == 0 || g.queue[0].at > int64(g.w.Duration+g.w.Tail) {
		return 0, nil, false
	}
	e := heap.Pop(&g.queue).(event)
	if e.talk == nil {
		e.talk = g.newFlow(e.class)
		g.arrive(e.class, e.at)
	}
	g.buf = e.talk.packet(g.buf[:0])
	if wait, more := e.talk.advance(); more {
		g.push(event{at: e.at + int64(wait), class: e.class, talk: e.talk})
	}
	return g.start + e.at, g.buf, true
}

func (g *Generator) push(e event) {
	g.id++
	e.order = g.id
	heap.Push(&g.queue, e)
}

// arrive plans a class's next arrival after a time: by thinning at the highest rate, so that a rate that
// rises or falls is followed exactly.
func (g *Generator) arrive(class int, after int64) {
	c := &g.w.Classes[class]
	most := max(c.RateFrom, c.RateTo)
	if most == 0 {
		return
	}
	for at := float64(after); ; {
		gap := 1 / c.rate(at)
		if !c.Steady {
			gap = -math.Log(1-g.float()) / most
		}
		if at += gap * 1e9; at >= float64(c.Until) || math.IsInf(gap, 0) {
			return
		}
		if c.Steady || g.float()*most < c.rate(at) {
			g.push(event{at: int64(at), class: class})
			return
		}
	}
}

// rate is new flows a second at a time since the start.
func (c *Class) rate(at float64) float64 {
	share := (at - float64(c.From)) / float64(c.Until-c.From)
	return max(c.RateFrom+(c.RateTo-c.RateFrom)*share, 1e-9)
}

// lifetime draws how long a flow lasts.
func (g *Generator) lifetime(c *Class) time.Duration {
	mean := float64(c.Lasts)
	switch c.Shape {
	case Exponential:
		mean *= -math.Log(1 - g.float())
	case Pareto:
		mean /= 3 * math.Pow(1-g.float(), 1/1.5)
	}
	return time.Duration(min(mean, 1e17))
}

// float draws from [0, 1) (splitmix64).
func (g *Generator) float() float64 { return float64(g.draw()>>11) / (1 << 53) }

func (g *Generator) draw() uint64 {
	g.rand += 0x9e3779b97f4a7c15
	return scramble(g.rand)
}
