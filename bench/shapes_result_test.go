package bench

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// shapesFile keeps what the shapes came to, each with the commit that it was measured on.
const shapesFile = "results/shapes.md"

const shapesHead = `# Twelve shapes of traffic: the running kernel and the replay

Each shape of ../testdata/shapes is sent through the running kernel for about a minute, gaps and timeouts shortened alike, while it is
recorded, and is replayed: the same packets, and the flow record. What the prediction takes from the kernel of its collector: the moment of the
first reap that was seen; where none was, nothing: the prediction is then an interval over the phases. A reading of any table on the machine collects
too: where others read, their walks through the table ("readers", the collector's among them) are taken from the kernel, when and how far, in the place
of the collector's pace; never how many flows they took. Refused: the kernel draws which flow is evicted,
so that the number scatters.

    CTKEEPER_BENCH=1 go test ./bench -run TestShapes -v -timeout 60m      (rewrites this file, a row for each shape that was run)

| shape | packets | flows made | kernel's peak | predicted | error | from the record | refused | predicted | collector | runs | commit |
|---|---|---|---|---|---|---|---|---|---|---|---|
`

// keepShape puts a shape's row into the file, in the shapes' order; try is how many runs it took.
func keepShape(t *testing.T, name, row string, try int) {
	t.Helper()
	if os.Getenv("CTKEEPER_BENCH") == "" {
		return
	}
	commit, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	old, err := os.ReadFile(shapesFile)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(old)) {
		if f := strings.Split(line, "|"); len(f) > 3 && strings.TrimSpace(f[1]) != "shape" && !strings.HasPrefix(f[1], "---") {
			rows[strings.TrimSpace(f[1])] = line
		}
	}
	rows[name] = fmt.Sprintf("%s %d | %s |\n", strings.TrimSuffix(row, "\n"), try, strings.TrimSpace(string(commit)))
	text := shapesHead
	for _, s := range shapes() {
		text += rows[s.name]
	}
	if err := os.MkdirAll("results", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(shapesFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
