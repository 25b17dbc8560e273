package model_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

// feedAll gives both sides one packet of each lane, and ends the test at the first difference.
func feedAll(t *testing.T, b *differ.Bench, packets [][]byte) (results map[string]int) {
	t.Helper()
	answers, err := b.Feed(packets)
	if err != nil {
		t.Fatal(err)
	}
	results = map[string]int{}
	for i, a := range answers {
		if a.Diff != "" {
			t.Fatalf("lane %d: %s\n%x", i, a.Diff, packets[i])
		}
		results[a.Verdict.Result.String()]++
	}
	return results
}

func compareAll(t *testing.T, b *differ.Bench, lanes int) {
	t.Helper()
	bad, err := b.Compare(lanes)
	if err != nil {
		t.Fatal(err)
	}
	for lane, diff := range bad {
		t.Fatalf("lane %d: %s", lane, diff)
	}
}

// TestFragments cuts datagrams in four, whose parts come in any order, overlap, repeat or leave a gap.
func TestFragments(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "ipv4", true: "ipv6"}[v6], func(t *testing.T) {
			const lanes, parts = 1500, 4
			b, _ := openBench(t, differ.Options{V6: v6})
			r := rand.New(rand.NewPCG(seed(), 5))
			steps := [parts][][]byte{}
			for i := range lanes {
				from, to := differ.Ends(i, v6)
				whole := oracle.NewConversation(from, to, 1).Append(nil, oracle.Datagram{Proto: 17, Len: uint16(24 + r.IntN(900))})
				for n, f := range cut(r, whole, parts, uint32(i)) {
					steps[n] = append(steps[n], f)
				}
			}
			made := 0
			for n := range steps {
				made += feedAll(t, b, steps[n])["new"]
			}
			compareAll(t, b, lanes)
			if made < lanes/4 || made > lanes*9/10 {
				t.Errorf("%d of %d datagrams were put together", made, lanes)
			}
		})
	}
}

// cut makes n fragments of a datagram: mostly of all of it, in any order.
func cut(r *rand.Rand, whole []byte, n int, id uint32) [][]byte {
	head := 20
	if whole[0]>>4 == 6 {
		head = 40
	}
	body := whole[head:]
	ends := []int{0, len(body)}
	for len(ends) < n+1 {
		ends = append(ends, r.IntN(len(body)/8+1)*8)
	}
	slices.Sort(ends)
	var all [][]byte
	for i := range n {
		lo, hi := ends[i], ends[i+1]
		switch r.IntN(30) {
		case 0:
			lo = max(0, lo-8) // overlaps what is before
		case 1:
			lo, hi = ends[(i+1)%n], ends[(i+1)%n+1] // another again
		case 2:
			lo = min(hi, lo+8) // a gap
		}
		all = append(all, fragment(whole, head, body[lo:hi], lo, hi < len(body), id))
	}
	r.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func fragment(whole []byte, head int, part []byte, offset int, more bool, id uint32) []byte {
	f := slices.Clone(whole[:head])
	field := uint16(offset)
	if head == 40 {
		if more {
			field |= 1
		}
		f = append(f, f[6], 0)
		f = binary.BigEndian.AppendUint16(f, field)
		f = append(binary.BigEndian.AppendUint32(f, id), part...)
		f[6] = 44
		binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
		return f
	}
	field /= 8
	if more {
		field |= 0x2000
	}
	binary.BigEndian.PutUint16(f[6:], field)
	binary.BigEndian.PutUint16(f[4:], uint16(id))
	f = append(f, part...)
	binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
	return headerSum(f)
}

// headerSum puts the right checksum into an IPv4 header.
func headerSum(ip []byte) []byte {
	ip[10], ip[11] = 0, 0
	var sum uint32
	for i := 0; i < int(ip[0]&15)*4; i += 2 {
		sum += uint32(ip[i])<<8 | uint32(ip[i+1])
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	return ip
}

// TestHeaders puts chains of IPv6 extension headers, right and wrong ones, and IPv4 options before a packet.
func TestHeaders(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "ipv4", true: "ipv6"}[v6], func(t *testing.T) {
			const lanes = 4000
			b, _ := openBench(t, differ.Options{V6: v6})
			r := rand.New(rand.NewPCG(seed(), 6))
			packets := make([][]byte, lanes)
			for i := range packets {
				from, to := differ.Ends(i, v6)
				talk := oracle.NewConversation(from, to, 1)
				ip := talk.Append(nil, []oracle.Packet{oracle.Datagram{Proto: 17, Len: 20}, oracle.Segment{Flags: oracle.SYN, Window: 100, WScale: -1}}[i%2])
				if v6 {
					packets[i] = extended(r, ip)
				} else {
					packets[i] = withOptions(r, ip)
				}
			}
			results := feedAll(t, b, packets)
			compareAll(t, b, lanes)
			if results["new"] < lanes/10 || len(results) < 2 {
				t.Errorf("results %v", results)
			}
		})
	}
}

// extended puts up to four extension headers before an IPv6 packet's transport.
func extended(r *rand.Rand, ip []byte) []byte {
	next, body := ip[6], slices.Clone(ip[40:])
	for range r.IntN(5) {
		kind := []byte{60, 60, 43, 51, 44, 0, 59}[r.IntN(7)]
		h := make([]byte, 8*(1+r.IntN(3)))
		h[0], h[1] = next, byte(len(h)/8-1)
		switch kind {
		case 51:
			h[1] = byte(len(h)/4 - 2)
		case 44:
			h = append([]byte{next, 0, 0, 0}, 0, 0, 0, 9)
			if r.IntN(8) == 0 {
				h[3] = 8 // a later fragment
			}
		case 43:
			h[2] = byte(r.IntN(5)) // a routing type, no segments left
		default:
			h[2], h[3] = 1, byte(len(h)-4) // padding
		}
		if r.IntN(12) == 0 {
			h[1] = byte(r.IntN(256)) // leads nowhere
		}
		next, body = kind, append(h, body...)
	}
	out := append(slices.Clone(ip[:40]), body...)
	out[6] = next
	binary.BigEndian.PutUint16(out[4:], uint16(len(body)))
	return out
}

// withOptions puts options into an IPv4 header.
func withOptions(r *rand.Rand, ip []byte) []byte {
	var o []byte
	for range r.IntN(4) {
		switch r.IntN(7) {
		case 0:
			o = append(o, 1)
		case 1:
			o = append(o, 7, 7, 4, 0, 0, 0, 0) // record route
		case 2:
			o = append(o, 68, 8, 5, 0, 0, 0, 0, 0) // timestamp
		case 3:
			o = append(o, 148, 4, 0, 0) // router alert
		case 4:
			o = append(o, 131, 7, 4, 10, 0, 0, 1) // loose source route
		case 5:
			o = append(o, byte(r.IntN(256)), byte(r.IntN(8)))
		case 6:
			o = append(o, 0)
		}
	}
	for len(o)%4 != 0 || len(o) > 40 {
		if len(o) > 40 {
			o = o[:40]
			break
		}
		o = append(o, 0)
	}
	out := append(append(slices.Clone(ip[:20]), o...), ip[20:]...)
	out[0] = 0x40 | byte(5+len(o)/4)
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
	return headerSum(out)
}
