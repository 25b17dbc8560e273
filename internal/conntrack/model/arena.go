package model

import "ctkeeper/internal/conntrack/packet"

// record is a flow, in two halves of a cache line each, in chunks that never move: head depends on packets alone,
// track on packets and settings, so that several settings can share heads and look-ups. They lie side by side
// because a packet needs both: one page, and two lines that are fetched at the same time.
type record struct {
	head
	track
}

// A chunk is 1 MiB: with ten million flows, the pointers to all chunks stay in the nearest caches.
const (
	chunkBits = 13
	chunkSize = 1 << chunkBits
	acctSize  = 1 << 10
)

// head says which flow it is. 64 bytes.
type head struct {
	key     packet.Key
	id      uint64
	created int64
	ext     uint32 // index+1 in Model.extras; 0: none
	turn    uint8  // Turn of packets in the original direction
	flags   uint8
	_       uint16
}

// Head flags.
const (
	hAcct uint8 = 1 << iota
	hLive
	hNAT
	hStamp // made while timestamps were on
	hKin   // it has a helper, or was expected; Model.helpers knows more
)

// track is how a flow stands. 64 bytes. UDP uses status and deadline only; SCTP keeps its tags in
// side[].end; GRE its two timeouts, in seconds, in side[].maxwin.
type track struct {
	deadline                  int64
	side                      [2]side
	lastSeq, lastAck, lastEnd uint32
	lastWin                   uint16
	status                    uint16
	state                     uint8
	retrans                   uint8
	last                      uint8 // class, direction and window scale of the last packet
	lastFlags                 uint8
	flags                     [2]uint8
	scale                     uint8 // both directions, four bits each
	_                         uint8
}

// side is a direction's window.
type side struct{ end, maxend, maxwin, maxack uint32 }

// Count is a direction's packets and bytes.
type Count struct{ Packets, Bytes uint64 }

type (
	chunk     [chunkSize]record
	acctChunk [acctSize][2]Count
)

type arena struct {
	chunks []*chunk
	acct   []*acctChunk // as many as the flows need once accounting was on; entries may be nil
	free   []uint32
	used   uint32
}

func (a *arena) at(i uint32) *record   { return &a.chunks[i>>chunkBits][i&(chunkSize-1)] }
func (a *arena) head(i uint32) *head   { return &a.at(i).head }
func (a *arena) track(i uint32) *track { return &a.at(i).track }

// counts returns a flow's counters, whose chunk is made when it is first needed.
func (a *arena) counts(i uint32) *[2]Count {
	c := i / acctSize
	for uint32(len(a.acct)) <= c {
		a.acct = append(a.acct, nil)
	}
	if a.acct[c] == nil {
		a.acct[c] = new(acctChunk)
	}
	return &a.acct[c][i%acctSize]
}

func (a *arena) alloc() uint32 {
	if n := len(a.free); n > 0 {
		i := a.free[n-1]
		a.free = a.free[:n-1]
		return i
	}
	if a.used&(chunkSize-1) == 0 {
		a.chunks = append(a.chunks, new(chunk))
	}
	a.used++
	return a.used - 1
}

func (a *arena) release(i uint32) { a.free = append(a.free, i) }

// last packet's memory, packed in a byte.
func (t *track) lastClass() packet.Class { return packet.Class(t.last & 7) }
func (t *track) lastDir() uint8          { return t.last >> 3 & 1 }
func (t *track) lastScale() uint8        { return t.last >> 4 }

func (t *track) remember(c packet.Class, dir uint8) { t.last = t.last&0xf0 | dir<<3 | uint8(c) }
func (t *track) setLastScale(s uint8)               { t.last = t.last&0x0f | s<<4 }

func (t *track) scaleOf(dir uint8) uint8 { return t.scale >> (4 * dir & 7) & 15 }
func (t *track) setScale(dir, s uint8) {
	t.scale = t.scale&^(15<<(4*dir)) | s<<(4*dir)
}
