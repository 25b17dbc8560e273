package replay

import (
	"sync"

	"ctkeeper/internal/conntrack/packet"
)

// batchSize is how many packets are handed to the workers at once: enough that the hand-over costs
// nothing, few enough that a batch stays in the nearest caches while every variant steps through it.
const batchSize = 512

// batch is packets with their times, their payloads in one buffer.
type batch struct {
	at      []int64
	packets []packet.Packet
	bytes   []byte
	// whole: plain packets keep their payloads, which only helpers read.
	whole bool
	users sync.WaitGroup
}

func newBatch(whole bool) *batch {
	return &batch{whole: whole, at: make([]int64, 0, batchSize), packets: make([]packet.Packet, 0, batchSize), bytes: make([]byte, 0, 256*batchSize)}
}

func (b *batch) reset() {
	b.at, b.packets, b.bytes = b.at[:0], b.packets[:0], b.bytes[:0]
}

func (b *batch) full() bool { return len(b.packets) == batchSize }

// add copies a packet, whose payload lies in the caller's buffer.
func (b *batch) add(at int64, pk *packet.Packet) {
	b.at = append(b.at, at)
	b.packets = append(b.packets, *pk)
	payload := &b.packets[len(b.packets)-1].Payload
	if *payload = nil; b.whole || pk.Plain() == 0 {
		from := len(b.bytes)
		b.bytes = append(b.bytes, pk.Payload...)
		*payload = b.bytes[from:len(b.bytes):len(b.bytes)]
	}
}

// pool steps variants in workers, each of which owns some of them: batches reach every worker in order, and
// no variant is ever seen by two.
type pool struct {
	workers []chan *batch
	filling *batch
	spare   []*batch // handed out in turn, once their users are done
	next    int
	done    sync.WaitGroup
}

func newPool(runs []*run, n int, whole bool) *pool {
	p := &pool{filling: newBatch(whole)}
	for range 3 {
		p.spare = append(p.spare, newBatch(whole))
	}
	for w := range n {
		in := make(chan *batch, len(p.spare))
		p.workers = append(p.workers, in)
		p.done.Add(1)
		go func() {
			defer p.done.Done()
			for b := range in {
				for i := w; i < len(runs); i += n {
					runs[i].steps(b)
				}
				b.users.Done()
			}
		}()
	}
	return p
}

func (p *pool) add(at int64, pk *packet.Packet) {
	p.filling.add(at, pk)
	if p.filling.full() {
		p.send()
	}
}

// send hands the batch to every worker and takes up the spare that was sent the longest ago.
func (p *pool) send() {
	full := p.filling
	full.users.Add(len(p.workers))
	for _, w := range p.workers {
		w <- full
	}
	p.filling, p.spare[p.next] = p.spare[p.next], full
	p.next = (p.next + 1) % len(p.spare)
	p.filling.users.Wait()
	p.filling.reset()
}

func (p *pool) finish() {
	p.send()
	for _, w := range p.workers {
		close(w)
	}
	p.done.Wait()
}
