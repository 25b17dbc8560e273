package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"ctkeeper/internal/conntrack/flow"
)

// first is a row as version 1 wrote it, as far as a reader needs it.
type first struct {
	Start       int64   `parquet:"start,timestamp(microsecond)"`
	End         *int64  `parquet:"end,optional,timestamp(microsecond)"`
	ProtoNumber int32   `parquet:"proto_number"`
	Family      int32   `parquet:"family"`
	Src         string  `parquet:"src"`
	Dst         string  `parquet:"dst"`
	SPort       int32   `parquet:"sport"`
	DPort       int32   `parquet:"dport"`
	Assured     bool    `parquet:"assured"`
	States      string  `parquet:"states"`
	StateMS     []int32 `parquet:"state_ms,list"`
	Timeout     int32   `parquet:"timeout"`
	Ended       string  `parquet:"ended"`
}

// later is a row as a version to come may write it: other columns, in another order.
type later struct {
	Mood string `parquet:"mood,dict"`
	first
	Cost  *float64 `parquet:"cost,optional"`
	Inner struct {
		A int64 `parquet:"a"`
	} `parquet:"inner"`
}

func writeOther[T any](t *testing.T, version string, rows ...T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := parquet.NewGenericWriter[T](f, parquet.KeyValueMetadata("ctkeeper.record", version))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOtherVersions reads files with fewer and with other columns.
func TestOtherVersions(t *testing.T) {
	end := int64(9e15)
	old := first{Start: 8e15, End: &end, ProtoNumber: 6, Family: 4, Src: "10.0.0.1", Dst: "10.0.0.2", SPort: 1000, DPort: 80, Assured: true,
		States: "SYN_SENT ESTABLISHED", StateMS: []int32{0, 7}, Timeout: 120, Ended: flow.EndClosed}
	for version, path := range map[string]string{
		"1": writeOther(t, "1", old, old),
		"9": writeOther(t, "9", later{Mood: "good", first: old}, later{first: old}),
	} {
		all, notes, err := readRecords(path)
		if err != nil || len(all) != 2 || notes["ctkeeper.record"] != version {
			t.Errorf("version %s: %d flows, %v, %v", version, len(all), notes, err)
			continue
		}
		r := all[1]
		if !r.Start.Equal(time.UnixMicro(8e15)) || !r.End.Equal(time.UnixMicro(end)) || r.Orig.DstPort != 80 || r.Ended != flow.EndClosed || len(r.States) != 2 ||
			r.At[1] != 7*time.Millisecond || r.Sample != 0 || !r.Last.IsZero() || r.NAT() {
			t.Errorf("version %s: %+v", version, r)
		}
	}
	type without struct {
		Start int64 `parquet:"start"`
	}
	if _, _, err := readRecords(writeOther(t, "3", without{1})); err == nil || !strings.Contains(err.Error(), "version 3 without the column proto_number") {
		t.Errorf("%v", err)
	}
}
