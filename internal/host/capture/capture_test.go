package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/zstd"
)

// frames are what every capture below holds.
var frames = [][]byte{[]byte("first frame"), []byte("second"), bytes.Repeat([]byte{7}, 300)}

func at(i int) time.Time { return time.Unix(1700000000+int64(i), 500000).UTC() }

func pcap(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at(i), CaptureLength: len(f), Length: len(f) + i}, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func pcapng(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at(i), CaptureLength: len(f), Length: len(f) + i}, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zst(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

// readAll reads a capture to its end or fault.
func readAll(data []byte) ([]Frame, error) {
	r, err := NewReader("x.pcap", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var all []Frame
	for {
		f, err := r.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, errors.Join(err, r.Close())
		}
		f.Data = bytes.Clone(f.Data)
		all = append(all, f)
	}
}

func TestEveryForm(t *testing.T) {
	for name, data := range map[string][]byte{
		"pcap": pcap(t), "pcap.gz": gz(t, pcap(t)), "pcap.zst": zst(t, pcap(t)),
		"pcapng": pcapng(t), "pcapng.gz": gz(t, pcapng(t)), "pcapng.zst": zst(t, pcapng(t)),
	} {
		got, err := readAll(data)
		if err != nil || len(got) != len(frames) {
			t.Errorf("%s: %d frames, %v", name, len(got), err)
			continue
		}
		for i, f := range got {
			if !bytes.Equal(f.Data, frames[i]) || !f.Time.Equal(at(i)) || f.Full != len(frames[i])+i || f.Link != 1 {
				t.Errorf("%s: frame %d is %+v", name, i, f)
			}
		}
	}
}

func TestCutCapturesGiveWhatIsWhole(t *testing.T) {
	whole := pcap(t)
	third := len(whole) - 16 - len(frames[2]) // where the third record begins
	for cut := third + 1; cut < len(whole); cut += 50 {
		got, err := readAll(whole[:cut])
		var fault *FaultError
		if len(got) != 2 || !errors.As(err, &fault) || fault.Offset != int64(third) || fault.Name != "x.pcap" {
			t.Errorf("cut at %d: %d frames, %v; want 2 and offset %d", cut, len(got), err, third)
		}
	}
	ng := pcapng(t)
	if got, err := readAll(ng[:len(ng)-20]); len(got) != 2 || err == nil {
		t.Errorf("a cut pcapng: %d frames, %v", len(got), err)
	}
	packed := gz(t, whole)
	if _, err := readAll(packed[:len(packed)-12]); err == nil {
		t.Error("a cut gzip stream was no fault")
	}
}

func TestWhatIsNoCapture(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty": {}, "text": []byte("this is no capture at all, only text"), "header only": pcap(t)[:10],
		"gzip of text": gz(t, []byte("text that is long enough for a header")),
	} {
		if got, err := readAll(data); err == nil || len(got) != 0 || !strings.Contains(err.Error(), "x.pcap") {
			t.Errorf("%s: %d frames, %v", name, len(got), err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.pcap"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	huge := bytes.Clone(pcap(t))
	binary.LittleEndian.PutUint32(huge[24+8:], 0x7fffffff)
	if _, err := readAll(huge); err == nil {
		t.Error("a record of 2 GiB was believed")
	}
}

func FuzzReader(f *testing.F) {
	seeds := [][]byte{pcap(f), pcapng(f), gz(f, pcap(f)), zst(f, pcap(f)), {}, pcap(f)[:30]}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _ := readAll(data)
		for _, fr := range got {
			if len(fr.Data) > maxFrame {
				t.Fatalf("a frame of %d bytes", len(fr.Data))
			}
		}
	})
}
