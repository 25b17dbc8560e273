package gen

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write tcptable_gen.go")

func TestUpToDate(t *testing.T) {
	table, err := os.ReadFile("../tcp.table")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Generate(string(table))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("../tcptable_gen.go", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("../tcptable_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("tcptable_gen.go is out of date: run go generate ./internal/conntrack/model")
	}
}

func TestMalformed(t *testing.T) {
	for _, table := range []string{"", "syn ss", "orig no ss sr es fw cw la tw cl s2\nsyn what ss sr es fw cw la tw cl s2", strings.Repeat("syn ss ss ss ss ss ss ss ss ss ss\n", 3)} {
		if _, err := Generate(table); err == nil {
			t.Errorf("Generate(%q): no error", table)
		}
	}
}
