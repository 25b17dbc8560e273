package history

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDamageIsNoticed: whatever of the file and its log is overwritten under an open history, a look finds it, or
// nothing was hurt; and writing goes on.
func TestDamageIsNoticed(t *testing.T) {
	for _, from := range []int{0, 32, 4096} {
		for _, names := range [][]string{{"h.db"}, {"h.db-wal"}, {"h.db", "h.db-wal"}} {
			c := &clock{time.Unix(1.8e9, 0)}
			dir := t.TempDir()
			db := open(t, filepath.Join(dir, "h.db"), c)
			fill(db, c, 100)
			for _, name := range names {
				path := filepath.Join(dir, name)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if len(b) > from {
					copy(b[from:], bytes.Repeat([]byte{0xa5}, len(b)))
				}
				f, err := os.OpenFile(path, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(b); err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
			db.Renew(1 << 28)
			fill(db, c, 50)
			err := db.Flush(t.Context())
			_, kept, _ := db.Trouble()
			got, readErr := db.Samples(t.Context(), "host", c.at.Add(-45*time.Second), c.at, 100)
			t.Logf("from %d of %v: kept %d, %v; %d samples, %v", from, names, len(kept), err, len(got), readErr)
			if err != nil || readErr != nil || len(got) < 40 {
				t.Errorf("from %d of %v: %v; %d samples, %v", from, names, err, len(got), readErr)
			}
			if err := db.Close(); err != nil {
				t.Errorf("from %d of %v: %v", from, names, err)
			}
			again, _, err := Open(filepath.Join(dir, "h.db"), Options{Now: c.now})
			if err != nil {
				t.Fatalf("from %d of %v: %v", from, names, err)
			}
			if got, err := again.Samples(t.Context(), "host", c.at.Add(-45*time.Second), c.at, 100); err != nil || len(got) < 40 {
				t.Errorf("from %d of %v, opened again: %d samples, %v", from, names, len(got), err)
			}
			again.Close()
		}
	}
}
