package bench

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/host/capture"
)

// frames are the sample captures' Ethernet frames, with their times from the first of each.
type frame struct {
	after time.Duration
	data  []byte
}

func sampleFrames(t *testing.T) (all []frame, span time.Duration) {
	t.Helper()
	names, err := filepath.Glob("../../shared/samples/pcap/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Skip("../shared/samples is absent: there are no captures to make a large one of")
	}
	for _, name := range names {
		r, err := capture.Open(name, nil)
		if err != nil {
			continue // some are torn on purpose
		}
		var first time.Time
		for {
			f, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Logf("%s: %v", filepath.Base(name), err)
				}
				break
			}
			if f.Link != 1 || f.Full != len(f.Data) {
				continue
			}
			if first.IsZero() {
				first = f.Time
			}
			after := f.Time.Sub(first)
			if after < 0 || after > time.Hour {
				continue
			}
			all = append(all, frame{after, append([]byte(nil), f.Data...)})
			span = max(span, after)
		}
		_ = r.Close() // it was only read
	}
	return all, span
}

// readdress moves an IPv4 frame's addresses to others, the k-th in a row, and keeps its checksums as right as
// they were.
func readdress(b []byte, k uint16) {
	if len(b) < 34 || b[12] != 8 || b[13] != 0 {
		return
	}
	ip := b[14:]
	head := int(ip[0]&15) * 4
	delta := uint32(0)
	for _, at := range []int{12, 16} {
		old := binary.BigEndian.Uint16(ip[at:])
		binary.BigEndian.PutUint16(ip[at:], old^k)
		delta += uint32(^old) + uint32(old^k)
	}
	mend(ip, 10, delta)
	switch at := map[byte]int{6: 16, 17: 6}[ip[9]]; {
	case at == 0 || len(ip) < head+at+2 || binary.BigEndian.Uint16(ip[6:])&0x1fff != 0:
	case ip[9] == 17 && binary.BigEndian.Uint16(ip[head+at:]) == 0:
	default:
		mend(ip, head+at, delta)
	}
}

// mend adds what changed to a checksum (RFC 1624).
func mend(b []byte, at int, delta uint32) {
	sum := uint32(^binary.BigEndian.Uint16(b[at:])) + delta
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[at:], ^uint16(sum))
}

// bigCapture writes the samples again and again, each time from other addresses and later, up to a size.
func bigCapture(t *testing.T, path string, size int64) (packets int) {
	t.Helper()
	all, span := sampleFrames(t)
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(out, 1<<20)
	head := make([]byte, 24)
	le := binary.LittleEndian
	le.PutUint32(head, 0xa1b23c4d) // times in nanoseconds
	le.PutUint16(head[4:], 2)
	le.PutUint16(head[6:], 4)
	le.PutUint32(head[16:], 262144)
	le.PutUint32(head[20:], 1)
	written, _ := w.Write(head)
	begin := time.Unix(1.7e9, 0)
	for round := uint16(0); int64(written) < size; round++ {
		for _, f := range all {
			at := begin.Add(time.Duration(round)*span/16 + f.after)
			data := append([]byte(nil), f.data...)
			readdress(data, round)
			le.PutUint32(head, uint32(at.Unix()))
			le.PutUint32(head[4:], uint32(at.Nanosecond()))
			le.PutUint32(head[8:], uint32(len(data)))
			le.PutUint32(head[12:], uint32(len(data)))
			for _, part := range [][]byte{head[:16], data} {
				n, err := w.Write(part)
				if err != nil {
					t.Fatal(err)
				}
				written += n
			}
			packets++
		}
	}
	if err := errors.Join(w.Flush(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return packets
}

// TestReplayLargeCapture replays a capture much larger than what the replay may hold: 64 MiB beyond the flows
// themselves. CTKEEPER_BENCH makes it a gigabyte.
func TestReplayLargeCapture(t *testing.T) {
	size := int64(24 << 20)
	if _, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		size = 1 << 30
	}
	dir := t.TempDir()
	program, file := filepath.Join(dir, "ctkeeper"), filepath.Join(dir, "large.pcap")
	build := exec.Command("go", "build", "-o", program, "../cmd/ctkeeper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // the program as it is shipped, however the tests are run
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	packets := bigCapture(t, file, size)
	begin := time.Now()
	out, most := outputAndPeak(t, program, "replay", "--format", "json", file)
	took := time.Since(begin)
	var doc struct {
		Runs []struct{ Peak, Memory int64 }
	}
	if err := json.Unmarshal(out, &doc); err != nil || len(doc.Runs) == 0 {
		t.Fatalf("%v: %.300s", err, out)
	}
	flows := doc.Runs[0].Peak * flowBytes
	t.Logf("%d MiB, %d packets in %.1f s: %.2f million a second; peak %d flows, %.0f MiB of them; resident at most %.0f MiB", size>>20, packets,
		took.Seconds(), float64(packets)/took.Seconds()/1e6, doc.Runs[0].Peak, mib(flows), mib(most))
	if most-flows > 64<<20 {
		t.Errorf("%.0f MiB beyond the flows", mib(most-flows))
	}
}

// outputAndPeak runs a program and returns what it printed and its peak of resident memory. Not as a child of this
// process: a child's ru_maxrss begins at its parent's peak, and the race detector's is larger than the program's.
func outputAndPeak(t *testing.T, program string, args ...string) (out []byte, most int64) {
	t.Helper()
	dir := t.TempDir()
	starter, peak := filepath.Join(dir, "starter"), filepath.Join(dir, "peak")
	if out, err := exec.Command("cc", "-O2", "-o", starter, "testdata/peak.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(starter, append([]string{peak, program}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(peak)
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || kib == 0 {
		t.Fatalf("the peak is %q: %v", text, err)
	}
	return out, kib << 10
}

// flowBytes is what the model holds of a flow, its place in the index included, at the least filled.
const flowBytes = 141

func mib(n int64) float64 { return float64(n) / (1 << 20) }
