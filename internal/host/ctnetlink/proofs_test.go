package ctnetlink

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ctkeeper/internal/conntrack/filter"
)

// TestProofsAreKeptForABootAndAFilter: only what this kernel proved by this very message is taken as proven.
func TestProofsAreKeptForABootAndAFilter(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "run", "proofs.json")
	p := KeepProofs(path)
	mark := parse(t, "mark 7")
	if proof, err := p.Prove(t.Context(), mark); err != nil || len(proof.parts) != 1 {
		t.Fatal(proof, err)
	}
	knows := func(p *Proofs, text string) bool {
		known := p.load()
		return len(known.Messages) == 1 && known.Messages[0] == identity(flushParts(parse(t, text)))
	}
	if !knows(KeepProofs(path), "mark 7") || knows(p, "mark 6") || knows(p, "mark 7/7") || knows(p, "mark 7 and ipv4") {
		t.Error(p.load())
	}
	if knows(&Proofs{path, "another boot"}, "mark 7") {
		t.Error("another boot's proof is taken")
	}
	for _, ruin := range []func() error{
		func() error { return os.Chmod(path, 0o666) },
		func() error { return os.Chown(path, 12345, 0) },
		func() error { return os.WriteFile(path, []byte(`{"kernel"`), 0o600) },
		func() error { return os.Remove(path) },
		func() error { return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)) },
	} {
		if err := ruin(); err != nil {
			t.Fatal(err)
		}
		if len(p.load().Messages) != 0 {
			t.Error("a file that proves nothing is taken")
		}
		if _, err := p.Prove(t.Context(), mark); err != nil || !knows(p, "mark 7") {
			t.Error("not proven again", err)
		}
	}
}

// TestProofsOfAFilterThatIsNoFlush: such a filter is never proven, whatever the file says.
func TestProofsOfAFilterThatIsNoFlush(t *testing.T) {
	p := KeepProofs(filepath.Join(t.TempDir(), "proofs.json"))
	if err := p.store(proven{Kernel: p.kernel, Messages: []string{""}}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "src 10.0.0.1", "mark 1 or mark 2"} {
		if proof, err := p.Prove(t.Context(), parse(t, text)); err == nil {
			t.Errorf("%q: %v", text, proof)
		}
	}
}

func parse(t *testing.T, text string) filter.Filter {
	t.Helper()
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
