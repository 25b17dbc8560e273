package model

import (
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// TestReadCollects: a reading takes out what expired, translated flows too, and nothing else.
func TestReadCollects(t *testing.T) {
	ended := 0
	m := New(Config{Ended: func(e End) {
		if e.Why != Expired {
			t.Errorf("%+v", e)
		}
		ended++
	}})
	for i := range uint16(3000) {
		orig := packet.Tuple{Src: [16]byte{10, 0, 0, 1}, Dst: [16]byte{10, 0, 0, 2}, SPort: 1000 + i, DPort: 80, Proto: 6, Family: 4}
		reply := packet.Tuple{Src: orig.Dst, Dst: orig.Src, SPort: 80, DPort: orig.SPort, Proto: 6, Family: 4}
		if i%5 == 0 {
			reply.Dst = [16]byte{192, 0, 2, 1}
		}
		m.Load(orig, reply, flow.Confirmed|flow.Assured, flow.TCPEstablished, 0, second*int64(1+i%3))
	}
	for i, want := range []int{3000, 2000, 1000, 0} {
		if m.Read(second*int64(i), 0, 0.5); want > 0 && i > 0 && m.Count() <= want {
			t.Errorf("half a reading left %d", m.Count())
		}
		if m.Read(second*int64(i), 0.5, 1); m.Count() != want || m.Held() != want || ended != 3000-want {
			t.Errorf("after %d s: %d flows, %d held, %d ended", i, m.Count(), m.Held(), ended)
		}
	}
}
