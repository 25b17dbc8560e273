package record_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/lab"
)

type rec = flow.Record

func addrOf(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 128, byte(n >> 8), byte(n)}) }

// recordDir makes the test's own program record into a directory, to be killed.
const recordDir = "CTKEEPER_TEST_RECORD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(recordDir); dir != "" {
		_, err := record.Run(context.Background(), record.Options{Dir: dir, FileAge: time.Second})
		if err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestKilled: after kill -9 the files that were complete are whole, the one under way is torn and named so, and the
// next recording removes it.
func TestKilled(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	short(t, ns)
	dir := t.TempDir()
	var cmd *exec.Cmd
	ns.Do(func() {
		cmd = exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), recordDir+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Error(err)
			cmd = nil
		}
	})
	if cmd == nil {
		return
	}
	whole, torn := 0, 0
	for i := 0; i < 200 && whole < 2; i++ {
		send(t, w, udp(i))
		time.Sleep(100 * time.Millisecond)
		collect(t, ns)
		whole, torn = openRecords(t, dir)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if whole < 2 || torn > 1 {
		t.Fatalf("%d files were whole, %d not", whole, torn)
	}
	var named []string
	r := start(t, ns, record.Options{Dir: dir, Torn: func(name string) { named = append(named, name) }})
	r.end(t)
	if len(named) != 1 {
		t.Errorf("torn: %v", named)
	}
	if all, _ := rows(t, dir); len(all) < 2 {
		t.Errorf("%d rows are left", len(all))
	}
}
