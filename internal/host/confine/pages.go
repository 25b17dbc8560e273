package confine

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// GiveBack unmaps the pages of the program's own file; each comes back from the page cache when it is touched. Around a
// page that is touched the kernel maps those beside it, 64 KiB in all: a program of two hundred packages, each with
// something to do at the start, so has most of its file in its resident memory before it begins, and needs little of
// it after. Failing changes nothing.
func GiveBack() error {
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("look at the program's memory: %w", err)
	}
	for _, m := range unwritten(string(text)) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give back %x-%x of the program's file: %w", m.start, m.end, errno)
		}
	}
	return nil
}

// area is a part of the process's memory.
type area struct{ start, end uintptr }

// unwritten are the mappings of files that cannot be written to and never were, by /proc/PID/smaps. One that once
// could, such as the relocated part of a program for any address, has pages that are in no file.
func unwritten(smaps string) (list []area) {
	var at area
	ofFile := false
	for line := range strings.Lines(smaps) {
		first, rest, _ := strings.Cut(line, " ")
		switch {
		case first == "Anonymous:":
			if ofFile && strings.TrimSpace(rest) == "0 kB" {
				list = append(list, at)
			}
		case !strings.HasSuffix(first, ":"):
			at, ofFile = parseArea(first, rest)
		}
	}
	return list
}

// parseArea reads a line such as "00400000-00e26000 r-xp 00000000 fe:00 8126551   /usr/sbin/ctkeeper".
func parseArea(addresses, rest string) (m area, ofFile bool) {
	first, last, _ := strings.Cut(addresses, "-")
	start, err := strconv.ParseUint(first, 16, 64)
	end, errEnd := strconv.ParseUint(last, 16, 64)
	access, file, _ := strings.Cut(rest, " ")
	ofFile = err == nil && errEnd == nil && strings.Contains(file, " /") && !strings.Contains(access, "w")
	return area{uintptr(start), uintptr(end)}, ofFile
}
