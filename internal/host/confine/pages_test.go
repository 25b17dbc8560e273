package confine

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// smaps is of a program for any address, so that it has a part that was relocated and closed (RELRO).
const smaps = `55d0c0000000-55d0c0800000 r-xp 00001000 fe:00 8126551                    /usr/sbin/ctkeeper
Size:               8192 kB
Rss:                4096 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
55d0c0800000-55d0c0900000 r--p 00801000 fe:00 8126551                    /usr/sbin/ctkeeper
Anonymous:           512 kB
55d0c0900000-55d0c0a00000 r--p 00901000 fe:00 8126551                    /usr/sbin/ctkeeper (deleted)
Anonymous:             0 kB
55d0c0a00000-55d0c0b00000 rw-p 00a01000 fe:00 8126551                    /usr/sbin/ctkeeper
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0                              [anon: Go: heap]
Anonymous:             0 kB
7ffd1c9f6000-7ffd1c9f8000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
ffff-x r-xp 00000000 fe:00 8126551                                       /broken
Anonymous:             0 kB
`

func TestUnwritten(t *testing.T) {
	want := []area{{0x55d0c0000000, 0x55d0c0800000}, {0x55d0c0900000, 0x55d0c0a00000}}
	if got := unwritten(smaps); !slices.Equal(got, want) {
		t.Errorf("%x", got)
	}
	for cut := range len(smaps) { // torn anywhere, at most the same
		for _, m := range unwritten(smaps[:cut]) {
			if !slices.Contains(want, m) {
				t.Fatalf("cut at %d: %x", cut, m)
			}
		}
	}
}

// fileKiB is what of files is resident.
func fileKiB(t *testing.T) (kib int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	_, rest, ok := strings.Cut(string(text), "RssFile:")
	if err != nil {
		t.Fatal(err)
	}
	if !ok && os.Getenv("CI") != "true" {
		t.Skip("/proc/self/status has no RssFile: a kernel before 4.5")
	}
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatalf("RssFile:%.20s: %v", rest, err)
	}
	return kib
}

func TestGiveBack(t *testing.T) {
	before := fileKiB(t)
	if err := GiveBack(); err != nil {
		t.Fatal(err)
	}
	if after := fileKiB(t); after >= before {
		t.Errorf("%d KiB of files were resident, and then %d", before, after)
	}
}
