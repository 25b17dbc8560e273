package workload

import (
	"container/heap"
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// push begins a flow, and the others that it stands for a little later.
func (r *Records) push(rec *flow.Record) {
	copies := 1
	draw := uint64(r.order)*0x9e3779b97f4a7c15 ^ uint64(rec.Orig.SrcPort)
	if rec.Sample > 0 && rec.Sample < 1 {
		draw = scramble(draw)
		copies = int(1/rec.Sample + float64(draw>>11)/(1<<53))
	}
	for k := range copies {
		f := r.begin(rec, r.order)
		if f == nil {
			return
		}
		if k > 0 {
			draw = scramble(draw + 1)
			f.other(k, draw, int64(draw%uint64(max(r.s.Gap, 1))))
		}
		heap.Push(&r.live, f)
	}
}

// other makes a flow one between other ends, and later.
func (f *recorded) other(k int, draw uint64, later int64) {
	a := f.t.client.Addr().As16()
	a[15] ^= byte(k)
	a[14] ^= byte(k >> 8)
	addr := netip.AddrFrom16(a)
	if f.t.client.Addr().Is4() {
		addr = addr.Unmap()
	}
	f.t.client = netip.AddrPortFrom(addr, f.t.client.Port()^uint16(draw>>40)&0x3ff)
	for i := range f.steps {
		f.steps[i].at += later
	}
	for i := range f.made {
		f.made[i].until += later
	}
}

func scramble(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
