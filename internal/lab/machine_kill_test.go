package lab

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMain also plays the holder that TestNextHolderRestores kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CTKEEPER_LAB_HOLD"); dir != "" {
		hold(dir, os.Getenv("CTKEEPER_LAB_ROOT"))
		return
	}
	os.Exit(m.Run())
}

// hold takes the lock, changes two values, says so and waits to be killed.
func hold(dir, root string) {
	m, err := lockAt(context.Background(), dir, root, false)
	if err != nil {
		panic(err)
	}
	for key, value := range map[string]string{Max: "7", MessageCost: "0"} {
		if err := m.Set(key, value); err != nil {
			panic(err)
		}
	}
	_, _ = os.Stdout.WriteString("held\n")
	time.Sleep(time.Minute)
}

func TestNextHolderRestores(t *testing.T) {
	for _, shared := range []bool{false, true} {
		dir, root := t.TempDir(), t.TempDir()
		write(t, filepath.Join(root, Max), "262144\n")
		write(t, filepath.Join(root, MessageCost), "5\n")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "CTKEEPER_LAB_HOLD="+dir, "CTKEEPER_LAB_ROOT="+root)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
			t.Fatalf("holder said %q: %v", line, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := lockAt(ctx, dir, root, shared); err == nil {
			t.Error("the lock was given to two")
		}
		cancel()
		if got := read(t, filepath.Join(root, Max)); got != "7" {
			t.Errorf("max is %s while it is held", got)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		m, err := lockAt(t.Context(), dir, root, shared)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, filepath.Join(root, Max)) + " " + read(t, filepath.Join(root, MessageCost)); got != "262144 5" {
			t.Errorf("max and message_cost are %s after the next lock", got)
		}
		if _, err := os.Stat(filepath.Join(dir, "journal")); !os.IsNotExist(err) {
			t.Errorf("the journal is still there: %v", err)
		}
		if err := m.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

func TestSharedTogetherAndNotWithAlone(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	a, err := lockAt(t.Context(), dir, root, true)
	if err != nil {
		t.Fatal(err)
	}
	b, err := lockAt(t.Context(), dir, root, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Set(Max, "1"); err == nil {
		t.Error("a shared holder changed max")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lockAt(ctx, dir, root, false); err == nil {
		t.Error("the lock was given alone while shared")
	}
	if err := a.Unlock(); err != nil {
		t.Error(err)
	}
	if err := b.Unlock(); err != nil {
		t.Error(err)
	}
}
