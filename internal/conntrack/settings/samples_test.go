package settings

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestAcceptAsTheKernel holds the rules against what a running 6.18 did with 768 texts.
func TestAcceptAsTheKernel(t *testing.T) {
	data, err := os.ReadFile("../../../../shared/samples/sysctl/kernel_accepts.json")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("samples are absent: kernel_accepts.json")
	}
	if err != nil {
		t.Fatal(err)
	}
	var answers struct {
		Cases []struct {
			Key, Value    string
			Errno         *string
			Before, After string
		}
	}
	if err := json.Unmarshal(data, &answers); err != nil {
		t.Fatal(err)
	}
	k := Kernel{Version: V(6, 18), HZ: 250}
	checked := 0
	for _, c := range answers.Cases {
		s, ok := Lookup("net.netfilter." + c.Key)
		switch {
		case !ok && c.Errno != nil && *c.Errno == "ENOENT":
			checked++
			continue
		case !ok:
			t.Errorf("%s is not in the registry", c.Key)
			continue
		case s.Scope == Machine || c.Value == "":
			continue // written from a namespace that may not, or nothing written: says nothing of the text
		}
		checked++
		got, err := s.Accept(k, c.Value)
		var refused *RefusedError
		switch {
		case c.Errno == nil && (err != nil || strconv.FormatInt(got, 10) != c.After):
			t.Errorf("%s = %q: got %d, %v; the kernel took it and reads %s", c.Key, c.Value, got, err, c.After)
		case c.Errno != nil && (!errors.As(err, &refused) || refused.Errno != *c.Errno):
			t.Errorf("%s = %q: got %d, %v; the kernel said %s", c.Key, c.Value, got, err, *c.Errno)
		}
	}
	if checked < 500 {
		t.Fatalf("only %d answers were checked", checked)
	}
}

// TestRegistryIsComplete holds that this kernel has no conntrack setting that the registry lacks.
func TestRegistryIsComplete(t *testing.T) {
	names, err := os.ReadDir("/proc/sys/net/netfilter")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("this kernel shows no conntrack settings:", err)
	}
	for _, n := range names {
		if strings.HasPrefix(n.Name(), "nf_conntrack_") {
			if _, ok := Lookup("net.netfilter." + n.Name()); !ok {
				t.Errorf("%s is not in the registry", n.Name())
			}
		}
	}
}

func FuzzAccept(f *testing.F) {
	seeds := []string{"7", " 7", "0x20", "010", "65536.", "-1", "+7", "99999999999999999999", "7 #c", "", "0x", "\x00"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	all := All()
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range all {
			v, err := s.Accept(Kernel{}, text)
			if low, high := s.KernelRange(Kernel{}); err == nil && s.Unit != Count && (v < low || v > high) {
				t.Fatalf("%s took %q as %d, outside %d to %d", s.Name, text, v, low, high)
			}
			s.Guess(text)
		}
		Lookup(text)
		Nearest(text)
		Match(text)
	})
}
