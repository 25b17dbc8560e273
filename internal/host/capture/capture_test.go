package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"

	"ctkeeper/internal/conntrack/packet"
)

// pcap is a capture of n frames of ten bytes, in either byte order.
func pcap(order binary.AppendByteOrder, n int) []byte {
	b := order.AppendUint32(nil, 0xa1b23c4d)
	b = append(b, make([]byte, 16)...)
	b = order.AppendUint32(b, uint32(packet.Raw))
	for i := range n {
		for _, v := range []uint32{1, uint32(i), 10, 60} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, make([]byte, 10)...)
	}
	return b
}

func readAll(in []byte) (n int, err error) {
	r, err := NewReader("x", bytes.NewReader(in))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for ; ; n++ {
		if _, err := r.Next(); err != nil {
			return n, err
		}
	}
}

func TestRead(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string][]byte{"little": pcap(binary.LittleEndian, 3), "big": pcap(binary.BigEndian, 3),
		"zstd": z.EncodeAll(pcap(binary.LittleEndian, 3), nil)} {
		if n, err := readAll(in); n != 3 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %d frames, %v", name, n, err)
		}
	}
}

func TestFaultsNameTheirPlace(t *testing.T) {
	whole := pcap(binary.LittleEndian, 3)
	huge := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(huge[24+26+8:], 1<<30)
	for name, c := range map[string]struct {
		in     []byte
		frames int
		offset int64
	}{"empty": {nil, 0, 0}, "no capture": {[]byte("not a capture"), 0, 0}, "cut in a record": {whole[:24+26+20], 1, 50},
		"cut in a record's head": {whole[:24+26+5], 1, 50}, "an absurd length": {huge, 1, 50}} {
		n, err := readAll(c.in)
		var fault *FaultError
		if n != c.frames || !errors.As(err, &fault) || fault.Offset != c.offset || fault.Name != "x" {
			t.Errorf("%s: %d frames, %v", name, n, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(pcap(binary.LittleEndian, 2))
	f.Add(bytes.Join([][]byte{section(binary.BigEndian), device(binary.BigEndian, 1, 0), packetBlock(binary.BigEndian, 0, 1, 1, "z")}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		if n, err := readAll(b); err == nil || n > 1<<16 {
			t.Fatalf("%d frames, %v", n, err)
		}
	})
}
