package packet

import (
	"encoding/binary"
	"slices"
)

// Bounds of reassembly: the kernel's default timers, and limits on what unfinished datagrams may hold.
const (
	fragTimeout4 = 30e9
	fragTimeout6 = 60e9
	maxQueues    = 4096
	maxHeld      = 4 << 20 // bytes; nf_conntrack_frag6_high_thresh and ipfrag_high_thresh
	maxDatagram  = 65535
)

// fragments are the datagrams that wait for parts.
type fragments struct {
	queues map[fragKey]*queue
	held   int
	looked int64  // when it last looked for what timed out
	out    []byte // the last datagram put together
}

type fragKey struct {
	src, dst [16]byte
	id       uint32
	proto    uint8
	family   uint8
}

type queue struct {
	parts    []part // by offset
	deadline int64
	length   int // of the whole, or what is known of it
	got      int
	last     bool
	head     uint32 // IP header bytes of the first fragment
	next     uint8
}

type part struct {
	offset int
	data   []byte
}

// ipv4 adds a fragment and returns the whole payload when it is complete. Overlaps throw the datagram
// away, exact repeats only themselves (inet_frag_queue_insert, ip_frag_queue; 6.18).
func (f *fragments) ipv4(now int64, ip, body []byte, p *Packet) []byte {
	field := binary.BigEndian.Uint16(ip[6:])
	offset, more := int(field&0x1fff)*8, field&0x2000 != 0
	if more {
		body = body[:len(body)&^7]
	}
	k := fragKey{src: p.addr[0], dst: p.addr[1], id: uint32(binary.BigEndian.Uint16(ip[4:])), proto: ip[9], family: 4}
	q := f.queue(now, k, fragTimeout4)
	if q == nil {
		return nil
	}
	if offset == 0 {
		q.head = uint32(ip[0]&15) * 4
	}
	if offset+len(body) > maxDatagram-int(ip[0]&15)*4 {
		f.drop(k)
		return nil
	}
	return f.add(k, q, offset, body, more, p)
}

// ipv6 adds the fragment whose header lies at at.
func (f *fragments) ipv6(now int64, ip []byte, at int, next uint8, p *Packet) []byte {
	field := binary.BigEndian.Uint16(ip[at+2:])
	offset, more := int(field&0xfff8), field&1 != 0
	body := ip[at+8:]
	k := fragKey{src: p.addr[0], dst: p.addr[1], id: binary.BigEndian.Uint32(ip[at+4:]), family: 6}
	if offset+len(body) > maxDatagram {
		return nil
	}
	if more && len(body)%8 != 0 {
		f.drop(k)
		return nil
	}
	q := f.queue(now, k, fragTimeout6)
	if q == nil {
		return nil
	}
	if offset == 0 {
		q.head, q.next = uint32(at), next
	}
	return f.add(k, q, offset, body, more, p)
}

// queue is the datagram that a fragment belongs to; nil when there are too many: the kernel refuses a new one too,
// until some of those that wait are complete or timed out.
func (f *fragments) queue(now int64, k fragKey, timeout int64) *queue {
	if q := f.queues[k]; q != nil {
		if now < q.deadline {
			return q
		}
		f.drop(k)
	}
	if f.queues == nil {
		f.queues = map[fragKey]*queue{}
	}
	if len(f.queues) >= maxQueues || f.held > maxHeld {
		if f.expire(now); len(f.queues) >= maxQueues || f.held > maxHeld {
			return nil
		}
	}
	q := &queue{deadline: now + timeout}
	f.queues[k] = q
	return q
}

// expire drops what timed out; a flood lets it look no more than once a second.
func (f *fragments) expire(now int64) {
	if now < f.looked+1e9 {
		return
	}
	f.looked = now
	for k, q := range f.queues {
		if now >= q.deadline {
			f.drop(k)
		}
	}
}

func (f *fragments) drop(k fragKey) {
	if q := f.queues[k]; q != nil {
		f.held -= q.got
		delete(f.queues, k)
	}
}

// add takes a fragment in, and returns the whole payload when it was the last that lacked. What contradicts the length, and
// an empty fragment, throws an IPv4 datagram away; of IPv6 only itself.
func (f *fragments) add(k fragKey, q *queue, offset int, body []byte, more bool, p *Packet) []byte {
	end := offset + len(body)
	wrong := !more && (end < q.length || q.last && end != q.length) || more && end > q.length && q.last
	if !wrong { // an empty fragment still tells where the datagram ends
		q.last = q.last || !more
		q.length = max(q.length, end)
	}
	if wrong || len(body) == 0 {
		if k.family == 4 {
			f.drop(k)
		}
		return nil
	}
	i, fits := q.place(offset, end)
	if !fits {
		if i < 0 {
			f.drop(k)
		}
		return nil
	}
	q.parts = slices.Insert(q.parts, i, part{offset, slices.Clone(body)})
	q.got += len(body)
	f.held += len(body)
	if !q.last || q.got != q.length {
		return nil
	}
	f.out = f.out[:0]
	for _, s := range q.parts {
		f.out = append(f.out, s.data...)
	}
	p.Len = q.head + uint32(q.length)
	f.drop(k)
	return f.out
}

// place finds where a part goes; an overlap gives -1, a repeat of what is there gives its place.
func (q *queue) place(offset, end int) (int, bool) {
	i := 0
	for ; i < len(q.parts); i++ {
		s := q.parts[i]
		switch {
		case end <= s.offset:
			return i, true
		case offset >= s.offset+len(s.data):
			continue
		case q.covers(offset, end):
			return i, false
		}
		return -1, false
	}
	return i, true
}

// covers reports whether a run of adjoining parts holds all of [offset, end).
func (q *queue) covers(offset, end int) bool {
	from, to := 0, 0
	for i, s := range q.parts {
		if i == 0 || s.offset != to {
			from = s.offset
		}
		to = s.offset + len(s.data)
		if offset >= from && end <= to {
			return true
		}
	}
	return false
}
