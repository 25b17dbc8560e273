package bench

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/lab/oracle"
)

// driven is what the kernel made of traffic.
type driven struct {
	truth
	// broken are the flows whose packets belonged to none any more though their ends went on.
	broken int
	// memory is the most that the table took: the flows' objects and what hangs on each; alone on the machine, what the
	// slab cache grew by where that is more (the cache is shared with all other tables).
	memory uint64
	alone  bool

	decoder     *packet.Decoder
	flows       map[uint64]*life
	slab, least uint64
	looked      time.Time
}

// life is a flow as its ends know it.
type life struct {
	turn         uint8
	alive        bool // answered, not closed
	closing, out bool
}

// look follows the flows, and the memory.
func (d *driven) look(t *testing.T, batch [][]byte, reports []oracle.Report, count int64) {
	for i, raw := range batch {
		var p packet.Packet
		d.decoder.IP(0, raw, &p)
		if p.Kind == packet.Tracked && p.Fault == packet.NoFault {
			d.follow(&p, reports[i].Result)
		}
	}
	if now := time.Now(); now.Sub(d.looked) > 50*time.Millisecond || count == d.peak {
		d.looked = now
		grown := uint64(count) * objectBytes
		if d.alone {
			d.slab = slab(t)
			d.least = min(d.least, d.slab)
			grown = max(d.slab-d.least, grown)
		}
		d.memory = max(d.memory, grown+uint64(count)*settings.ExtensionBytes)
	}
}

// objectBytes is what the slab cache gives one flow on Linux 6.18.
const objectBytes = 256

// follow notes a packet, and whether the kernel still knew its flow.
func (d *driven) follow(p *packet.Packet, r oracle.Result) {
	f := d.flows[p.Hash]
	tcp := p.Proto() == 6
	if f == nil || tcp && p.TCP.Flags&(packet.SYN|packet.ACK) == packet.SYN {
		d.flows[p.Hash] = &life{turn: p.Turn}
		return
	}
	if tcp && p.TCP.Flags&(packet.FIN|packet.RST) != 0 {
		f.alive, f.closing = false, true
		return
	}
	unknown := r == oracle.New || r == oracle.Invalid || r == oracle.Lost
	switch {
	case unknown && f.alive && (tcp || p.Turn != f.turn):
		if !f.out {
			d.broken++
		}
		f.out = true
	case tcp:
		f.alive = f.alive || !f.closing && p.TCP.Flags&packet.SYN == 0 && r == oracle.Established
	default:
		f.alive = f.alive || p.Turn != f.turn
	}
}

// slab is the memory of the kernel's cache of flows.
func slab(t *testing.T) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 16 || f[0] != "nf_conntrack" {
			continue
		}
		pages, err := strconv.ParseUint(f[5], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		slabs, err := strconv.ParseUint(f[14], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return slabs * pages * uint64(os.Getpagesize())
	}
	t.Fatal("/proc/slabinfo knows no nf_conntrack")
	return 0
}

// buckets is the machine's.
func buckets(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_buckets")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
