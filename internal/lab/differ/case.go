package differ

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/lab/oracle"
)

// Case is a sequence and what it happens under: what a file of a divergence holds.
type Case struct {
	Options  Options
	Sequence []oracle.Packet
}

// Format writes the case as [ParseCase] reads it: the circumstances, then a packet a line.
func (c Case) Format() string {
	var b strings.Builder
	if c.Options.V6 {
		b.WriteString("ipv6\n")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Options.Settings)) {
		fmt.Fprintf(&b, "setting %s %d\n", name, c.Options.Settings[name])
	}
	for _, h := range c.Options.Helpers {
		fmt.Fprintf(&b, "helper %s=%d\n", h.Kind, h.Port)
	}
	b.WriteString(lines(c.Sequence))
	return b.String()
}

// ParseCase reads a case; lines that begin with # say what it is about.
func ParseCase(text string) (c Case, err error) {
	c.Options.Settings = map[string]int64{}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "", line[0] == '#':
		case line == "ipv6":
			c.Options.V6 = true
		case word == "setting":
			name, value, _ := strings.Cut(rest, " ")
			c.Options.Settings[name], err = strconv.ParseInt(value, 10, 64)
		case word == "helper":
			var h model.Helper
			h, err = model.ParseHelper(rest)
			c.Options.Helpers = append(c.Options.Helpers, h)
		default:
			var p oracle.Packet
			p, err = oracle.Parse(line)
			c.Sequence = append(c.Sequence, p)
		}
		if err != nil {
			return Case{}, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if len(c.Sequence) == 0 {
		return Case{}, fmt.Errorf("no packets")
	}
	return c, nil
}

// ReadCases reads all cases in a directory, by name.
func ReadCases(dir string) (map[string]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	all := map[string]Case{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		c, err := ParseCase(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[strings.TrimSuffix(filepath.Base(name), ".txt")] = c
	}
	return all, nil
}

// Write keeps a divergence as a case in a directory, named by what it holds, and returns the file's name.
func (d Divergence) Write(dir string) (string, error) {
	if len(d.Sequence) == 0 {
		return "", nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text := d.Format()
	sum := uint64(14695981039346656037)
	for i := range len(text) {
		sum = (sum ^ uint64(text[i])) * 1099511628211
	}
	name := filepath.Join(dir, fmt.Sprintf("found-%016x.txt", sum))
	return name, os.WriteFile(name, []byte("# "+strings.ReplaceAll(d.What, "\n", " ")+"\n"+text), 0o644)
}
