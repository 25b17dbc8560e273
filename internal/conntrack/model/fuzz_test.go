package model_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/host/capture"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

// FuzzHostileFrames plays frames of any bytes under any settings, kernel and helpers: neither decoder nor
// model panics, the count never passes the limit, and no flow is lost or made up.
//
// The input is a header (link type, kernel, seed, settings), then frames: two bytes of length, one of time.
func FuzzHostileFrames(f *testing.F) {
	for _, seed := range hostileSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 8 || len(in) > 1<<16 {
			return
		}
		playHostile(t, in)
	})
}

var fuzzLinks = [...]packet.Link{packet.Raw, packet.Ethernet, packet.SLL, packet.SLL2, packet.Null, packet.PPP, packet.CHDLC, 105}

func playHostile(t *testing.T, in []byte) {
	profiles := [...]model.Profile{model.Linux618(), model.Linux612(), model.Linux61(), model.Linux510()}
	prof := profiles[in[1]&3]
	set := model.Defaults(prof)
	names := model.Names()
	set.Max, set.Buckets = int64(in[2]), int64(in[3])
	if err := set.Set(names[int(in[4])%len(names)], int64(int8(in[5]))); err != nil {
		t.Fatal(err)
	}
	limit := set.Max
	m := model.New(model.Config{Profile: prof, Settings: &set, Seed: uint64(in[6]), Helpers: []model.Helper{{Kind: model.FTP, Port: 21}, {Kind: model.PPTP, Port: 1723}}})
	d := packet.NewDecoder(packet.Options{Checksums: in[7]&1 != 0, DCCP: prof.DCCP, Seed: uint64(in[6]), Zone: uint16(in[7] >> 6)})
	link, mend := fuzzLinks[in[0]&7], in[7]&2 != 0
	now, ended := int64(0), 0
	var p packet.Packet
	var buf []byte
	for rest := in[8:]; len(rest) >= 3; {
		n := min(int(binary.BigEndian.Uint16(rest)&0x7ff), len(rest)-3)
		now += int64(rest[2]) * int64(rest[2]) * 1e7
		frame := rest[3 : 3+n]
		rest = rest[3+n:]
		packet.AppendLayer2(nil, link, frame)
		ip, _ := packet.Network(link, frame)
		if mend && len(ip) > 0 {
			buf = packet.Repair(buf[:0], ip)
			ip = buf
		}
		d.IP(now, ip, &p)
		v := m.Step(now, &p)
		_ = v.Reason.String()
		ended++
		if limit > 0 && m.Settings().Max == limit && int64(m.Count()) > limit {
			t.Fatalf("count %d beyond %d", m.Count(), limit)
		}
	}
	live := m.Live(now)
	if live > m.Count() || m.Held() > m.Count() || m.Count() > ended || int64(m.Expected()) > max(set.ExpectMax, 0) {
		t.Fatalf("live %d, held %d, count %d, expected %d of %d packets", live, m.Held(), m.Count(), m.Expected(), ended)
	}
	m.Flows(now, func(f *flow.Flow) bool { return f.Orig.Proto == f.Reply.Proto })
}

// hostileSeeds are talks of every protocol, and the first packets of the samples when they are there.
func hostileSeeds(f *testing.F) [][]byte {
	r := rand.New(rand.NewPCG(3, 4))
	var seeds [][]byte
	for i, alphabet := range [][]oracle.Packet{oracle.TCPAlphabet(), oracle.UDPAlphabet(), oracle.ICMPAlphabet(), oracle.SCTPAlphabet(), oracle.FTPAlphabet(), oracle.PPTPAlphabet()} {
		for _, v6 := range []bool{false, true} {
			a, b := differ.Ends(i, v6)
			talk := oracle.NewConversation(a, b, uint32(i))
			seed := []byte{0, byte(i), 20, 16, 0, 1, 2, 3}
			for _, p := range oracle.Random(r, alphabet, 12) {
				seed = appendFrame(seed, talk.Append(nil, p), 3)
			}
			seeds = append(seeds, seed)
		}
	}
	files, _ := filepath.Glob(filepath.Join(samples, "pcap", "*"))
	for _, name := range files {
		c, err := capture.Open(name, nil)
		if err != nil {
			continue
		}
		var seed []byte
		for range 12 {
			frame, err := c.Next()
			if errors.Is(err, io.EOF) || err != nil {
				break
			}
			if seed == nil {
				link := 0
				for i, l := range fuzzLinks {
					if l == frame.Link {
						link = i
					}
				}
				seed = []byte{byte(link), 0, 20, 16, 0, 1, 2, 1}
			}
			seed = appendFrame(seed, frame.Data[:min(len(frame.Data), 2047)], 1)
		}
		if seed != nil {
			seeds = append(seeds, seed)
		}
		if err := c.Close(); err != nil {
			f.Fatal(err)
		}
	}
	return seeds
}

func appendFrame(b, frame []byte, wait byte) []byte {
	return append(append(binary.BigEndian.AppendUint16(b, uint16(len(frame))), wait), frame...)
}

// TestHostileMemory floods decoder and model with what asks for memory: fragments that never end, helpers'
// commands, flows of one packet. What they hold stays within the limits' bounds.
func TestHostileMemory(t *testing.T) {
	set := model.Defaults(model.Linux618())
	set.Max, set.ExpectMax = 1000, 50
	m := model.New(model.Config{Settings: &set, Helpers: []model.Helper{{Kind: model.FTP, Port: 80}}})
	d := packet.NewDecoder(packet.Options{Checksums: true})
	r := rand.New(rand.NewPCG(1, 1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var p packet.Packet
	for i := range 300000 {
		a, b := differ.Ends(r.IntN(1<<20), false)
		talk := oracle.NewConversation(a, b, 1)
		ip := talk.Append(nil, oracle.Random(r, oracle.FTPAlphabet(), 1)[0])
		if i%3 == 0 && len(ip) > 40 {
			ip[6] |= 0x20 // more fragments
			binary.BigEndian.PutUint16(ip[4:], uint16(r.Uint32()))
			ip = packet.Repair(nil, ip)
		}
		d.IP(int64(i)*1e5, ip, &p)
		m.Step(int64(i)*1e5, &p)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 || m.Count() > 1000 || m.Expected() > 50 {
		t.Errorf("%d bytes, %d flows, %d expected", grown, m.Count(), m.Expected())
	}
	runtime.KeepAlive(d)
}
