package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
	"pgregory.net/rapid"

	"ctkeeper/internal/conntrack/packet"
)

// block is a pcapng block with its body padded.
func block(order binary.AppendByteOrder, typ uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b := order.AppendUint32(order.AppendUint32(nil, typ), uint32(12+len(body)))
	return order.AppendUint32(append(b, body...), uint32(12+len(body)))
}

func section(order binary.AppendByteOrder) []byte {
	b := order.AppendUint16(order.AppendUint16(order.AppendUint32(nil, orderMark), 1), 0)
	return block(order, blockSection, order.AppendUint64(b, 1<<64-1))
}

// device is an interface block; options are code, length and value.
func device(order binary.AppendByteOrder, link uint16, snap uint32, options ...byte) []byte {
	b := order.AppendUint32(order.AppendUint16(order.AppendUint16(nil, link), 0), snap)
	return block(order, blockInterface, append(b, options...))
}

// packetBlock is an enhanced packet block.
func packetBlock(order binary.AppendByteOrder, on uint32, ticks uint64, full uint32, data string) []byte {
	var b []byte
	for _, v := range []uint32{on, uint32(ticks >> 32), uint32(ticks), uint32(len(data)), full} {
		b = order.AppendUint32(b, v)
	}
	return block(order, blockEnhancedPacket, append(b, data...))
}

// frames reads a whole capture, and how it ends.
func frames(in []byte) (all []Frame, err error) {
	r, err := NewReader("x", bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		f, err := r.Next()
		if err != nil {
			return all, err
		}
		f.Data = bytes.Clone(f.Data)
		all = append(all, f)
	}
}

func TestNGBlocks(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		old := order.AppendUint16(order.AppendUint16(nil, 1), 7) // interface, drops
		for _, v := range []uint32{0, 2_000_001, 2, 2} {
			old = order.AppendUint32(old, v)
		}
		offset := order.AppendUint64(order.AppendUint16(order.AppendUint16(nil, optionTSOffset), 8), 100)
		tail := append(order.AppendUint16(order.AppendUint16(nil, optionTSResolution), 1), 9, 0, 0, 0)
		in := bytes.Join([][]byte{
			section(order), device(order, 101, 3), device(order, 1, 0, append(append([]byte{}, tail...), offset...)...),
			block(order, 0xbad, []byte("passed over")),
			packetBlock(order, 1, 5_000_000_007, 60, "abcde"), packetBlock(order, 0, 3_000_001, 2, "xy"),
			block(order, blockSimplePacket, append(order.AppendUint32(nil, 9), "wxyz"...)),
			block(order, blockPacket, append(old, "uv"...)),
			section(order), device(order, 113, 0), packetBlock(order, 0, 1, 1, "z"),
		}, nil)
		want := []Frame{
			{time.Unix(105, 7), packet.Link(1), []byte("abcde"), 60}, {time.Unix(3, 1000), packet.Link(101), []byte("xy"), 2},
			{time.Time{}, packet.Link(101), []byte("wxy"), 9}, {time.Unix(100, 2_000_001), packet.Link(1), []byte("uv"), 2},
			{time.Unix(0, 1000), packet.Link(113), []byte("z"), 1},
		}
		got, err := frames(in)
		if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, io.EOF) {
			t.Errorf("%v: %v %s", order, err, diff)
		}
		tornAnywhere(t, in, want)
	}
}

// tornAnywhere: a file that breaks off gives its frames up to there, and then names the place of the block.
func tornAnywhere(t *testing.T, in []byte, want []Frame) {
	t.Helper()
	for cut := range len(in) {
		got, err := frames(in[:cut])
		var fault *FaultError
		if len(got) > len(want) || len(got) > 0 && cmp.Diff(want[:len(got)], got) != "" {
			t.Fatalf("cut at %d: %v", cut, got)
		}
		if errors.As(err, &fault) && (fault.Offset > int64(cut) || !errors.Is(err, io.ErrUnexpectedEOF)) || !errors.Is(err, io.EOF) && fault == nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

func TestNGFaults(t *testing.T) {
	order := binary.LittleEndian
	begin := append(section(order), device(order, 1, 0)...)
	at := int64(len(begin))
	longer := packetBlock(order, 0, 1, 1, "z")
	order.PutUint32(longer[20:], 5)
	ends := packetBlock(order, 0, 1, 1, "z")
	order.PutUint32(ends[len(ends)-4:], 99)
	for name, c := range map[string]struct {
		in     []byte
		offset int64
		text   string
	}{
		"no such interface":       {append(begin, packetBlock(order, 1, 1, 1, "z")...), at, "interface 1 of 1"},
		"longer than its block":   {append(begin, longer...), at, "a packet of 5 bytes in a block of 36"},
		"two sizes":               {append(begin, ends...), at, "ends with 99"},
		"an odd size":             {append(begin, 6, 0, 0, 0, 33, 0, 0, 0), at, "a block of 33 bytes"},
		"an absurd size":          {append(begin, 6, 0, 0, 0, 0, 0, 0, 0x7f), at, "a block of 2130706432 bytes"},
		"a mark of no order":      {[]byte("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00abcd"), 0, "marked 61626364"},
		"another version":         {bytes.Replace(section(order), []byte{1, 0, 0, 0, 0xff}, []byte{2, 0, 0, 0, 0xff}, 1), 0, "version 2"},
		"an option past its end":  {append(section(order), device(order, 1, 0, 9, 0, 200, 0)...), int64(len(section(order))), "option of 200 bytes"},
		"a packet before devices": {append(section(order), block(order, blockSimplePacket, make([]byte, 8))...), int64(len(section(order))), "0 interfaces"},
	} {
		_, err := frames(bytes.Clone(c.in))
		var fault *FaultError
		if !errors.As(err, &fault) || fault.Offset != c.offset || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestClock holds the times of every resolution to exact arithmetic.
func TestClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, ticks := ngClock(rapid.Byte().Draw(t, "resolution")), rapid.Uint64().Draw(t, "ticks")
		base := int64(10)
		if c&0x80 != 0 {
			base = 2
		}
		second := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(c&^0x80)), nil)
		sec, rest := new(big.Int).QuoRem(new(big.Int).SetUint64(ticks), second, new(big.Int))
		nsec := rest.Mul(rest, big.NewInt(billion)).Quo(rest, second)
		if s, ns := c.time(ticks); uint64(s) != sec.Uint64() || ns != nsec.Int64() {
			t.Fatalf("%d ticks of %#x: %d s %d ns, not %v s %v ns", ticks, c, s, ns, sec, nsec)
		}
	})
}

// TestAgainstPcapgo reads what pcapgo writes, and the samples as it does.
func TestAgainstPcapgo(t *testing.T) {
	var written bytes.Buffer
	w, err := pcapgo.NewNgWriter(&written, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		data := bytes.Repeat([]byte{byte(i)}, i)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 12345), CaptureLength: i, Length: 2 * i}, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	likePcapgo(t, "pcapgo's own", written.Bytes())
	names, _ := filepath.Glob("../../../../shared/samples/pcap/*.pcapng")
	if len(names) == 0 {
		t.Log("the samples are absent")
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		likePcapgo(t, name, text)
	}
}

func likePcapgo(t *testing.T, name string, in []byte) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(in), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(name, err)
	}
	got, err := frames(in)
	if !errors.Is(err, io.EOF) || len(got) == 0 {
		t.Fatalf("%s: %d frames, %v", name, len(got), err)
	}
	for i, f := range got {
		data, info, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(data, f.Data) || !info.Timestamp.Equal(f.Time) || info.Length != f.Full {
			t.Fatalf("%s, frame %d: %v; pcapgo %v %v %d bytes", name, i, f, err, info, len(data))
		}
	}
	if _, _, err := r.ReadPacketData(); !errors.Is(err, io.EOF) {
		t.Errorf("%s: pcapgo has more than %d frames", name, len(got))
	}
}
