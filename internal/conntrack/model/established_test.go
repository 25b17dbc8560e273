package model

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"ctkeeper/internal/conntrack/packet"
)

// twins are two models of the same traffic: one may take the short way, the other always goes the whole. After every
// packet all that they are must be the same.
type twins struct {
	short, whole *Model
	met          int // packets that went the short way
}

func newTwins(c Config) *twins { return &twins{short: New(c), whole: New(c)} }

func (w *twins) step(t *testing.T, now int64, p *packet.Packet) (v Verdict) {
	t.Helper()
	if w.short.established(now, p, &v) {
		w.met++
	} else {
		v = w.short.step(now, p)
	}
	if u := w.whole.step(now, p); v != u {
		t.Fatalf("at %d: %+v\nshort way: %+v\nwhole way: %+v", now, p, v, u)
	}
	w.compare(t)
	return v
}

func (w *twins) compare(t *testing.T) {
	t.Helper()
	a, b := w.short, w.whole
	if a.stats != b.stats || a.gc != b.gc || a.count != b.count || a.held != b.held || a.soonest != b.soonest || a.now != b.now || a.arena.used != b.arena.used {
		t.Fatalf("short way: %+v\nwhole way: %+v", a, b)
	}
	for i := range a.arena.used {
		if *a.arena.at(i) != *b.arena.at(i) || a.arena.head(i).flags&hAcct != 0 && *a.arena.counts(i) != *b.arena.counts(i) {
			t.Fatalf("flow %d: short way %+v\nwhole way: %+v", i, a.arena.at(i), b.arena.at(i))
		}
	}
}

// chatter makes packets of a few connections, whose numbers mostly fit.
type chatter struct {
	r     *rand.Rand
	talks [8]talk
}

type talk struct {
	next  [2]uint32
	stage int // of the handshake
}

// frame is the next packet: within the window or around its edges, of either end, with and without options.
func (c *chatter) frame() []byte {
	port := uint16(c.r.IntN(8))
	if c.r.IntN(4) == 0 {
		return udpFrame(port, c.r.IntN(2) == 1)
	}
	reply, flags := c.kind(port)
	n := &c.talks[port].next
	seq, ack := n[reply], n[reply^1]
	near := func() uint32 {
		return [...]uint32{0, 0, 0, 0, 1, ^uint32(0), 999, 1000, 1001, 65536, 1 << 24}[c.r.IntN(11)]
	}
	data := c.r.IntN(3) * 100 * c.r.IntN(2)
	if flags&packet.ACK != 0 {
		n[reply] = seq + uint32(data) + uint32(flags>>1&1)
	}
	if c.r.IntN(4) == 0 {
		seq, ack = seq+near(), ack-near()
	}
	b := tcpFrame(port, reply == 1, flags, seq, ack)
	if c.r.IntN(8) == 0 {
		binary.BigEndian.PutUint16(b[34:], uint16(c.r.IntN(3)*30000))
	}
	b = c.options(b, flags, ack)
	b = append(b, make([]byte, data)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return packet.Repair(nil, b)
}

// kind opens connections in order, mostly, and now and then sends what ends or disturbs them.
func (c *chatter) kind(port uint16) (reply int, flags byte) {
	n := &c.talks[port]
	n.stage++
	switch {
	case c.r.IntN(40) == 0:
		n.stage = c.r.IntN(5)
		return c.r.IntN(2), [...]byte{packet.SYN, packet.SYN | packet.ACK, packet.FIN | packet.ACK, packet.RST | packet.ACK, packet.RST, 0}[c.r.IntN(6)]
	case n.stage == 1:
		n.next = [2]uint32{c.r.Uint32(), c.r.Uint32()}
		return 0, packet.SYN
	case n.stage == 2:
		return 1, packet.SYN | packet.ACK
	}
	return c.r.IntN(2), packet.ACK | [...]byte{0, packet.PSH, packet.URG}[c.r.IntN(3)]
}

func (c *chatter) options(b []byte, flags byte, ack uint32) []byte {
	switch {
	case flags&packet.SYN != 0 && c.r.IntN(4) > 0:
		b = append(b, 1, 3, 3, byte(c.r.IntN(9)), 1, 1, 4, 2)
		b[32] = 7 << 4
	case c.r.IntN(4) == 0:
		b = append(b, 1, 1, 5, 10)
		b = binary.BigEndian.AppendUint32(b, ack+10)
		b = binary.BigEndian.AppendUint32(b, ack+uint32(c.r.IntN(300)))
		b[32] = 8 << 4
	}
	return b
}

func udpFrame(port uint16, reply bool) []byte {
	b := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, byte(port), 0, 53, 0, 8, 0, 0}
	if reply {
		copy(b[12:], []byte{10, 0, 0, 2, 10, 0, 0, 1, 0, 53, 0, byte(port)})
	}
	return packet.Repair(nil, b)
}

// TestEstablished plays random conversations to twins, under many settings, every profile, with flows that expire, are
// evicted, counted, collected, or have a helper.
func TestEstablished(t *testing.T) {
	met, all := 0, 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		prof := [...]Profile{Linux618(), Linux61(), Linux510()}[r.IntN(3)]
		set := Defaults(prof)
		set.Max, set.Buckets, set.Acct = int64(r.IntN(2)*6), 1+int64(r.IntN(20)), r.IntN(6) == 0
		set.TCPBeLiberal, set.TCPMaxRetrans, set.Checksum = r.IntN(4) == 0, int64(r.IntN(4)), r.IntN(2) == 0
		c := Config{Profile: prof, Settings: &set, Seed: seed}
		if r.IntN(8) == 0 {
			c.Helpers = []Helper{{FTP, 80}}
		}
		w, d := newTwins(c), packet.NewDecoder(packet.Options{Checksums: seed%2 == 0, Seed: seed})
		talk := chatter{r: r}
		var p packet.Packet
		for now := int64(1); all%3000 < 2999; all++ {
			now += [...]int64{0, 1e6, 1e9, 9e9, 200e9}[min(r.IntN(5), r.IntN(5), r.IntN(5))]
			if r.IntN(300) == 0 {
				set.TCPBeLiberal, set.TCP[stEstablished], set.UDP[1] = !set.TCPBeLiberal, int64(r.IntN(1000))*second, int64(r.IntN(100))*second
				w.short.Change(set)
				w.whole.Change(set)
			}
			d.IP(now, talk.frame(), &p)
			w.step(t, now, &p)
		}
		all++
		met += w.met
	}
	if met < all/10 {
		t.Errorf("the short way was hardly met")
	}
	t.Logf("%d of %d packets went the short way", met, all)
}
