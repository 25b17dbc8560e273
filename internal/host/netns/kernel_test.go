package netns_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/host/netns"
	"ctkeeper/internal/lab"
)

func TestFindAndEnterARealNamespace(t *testing.T) {
	ns := lab.NewNamespace(t)
	all, missing := netns.Find(context.Background(), hostfs.FS{})
	t.Logf("missing: %+v", missing) // a sandbox may hide a process even from root
	found, err := netns.Select(all, ns.Name)
	if err != nil || len(found) != 1 || found[0].Inode != ns.Inode || found[0].Path != ns.Path {
		t.Fatalf("Select(%s) = %+v, %v; want inode %d at %s", ns.Name, found, err, ns.Inode, ns.Path)
	}
	inside := errors.New("inside")
	var link string
	err = netns.Do(found[0].Path, func() error {
		link, _ = os.Readlink("/proc/thread-self/ns/net")
		return inside
	})
	if !errors.Is(err, inside) {
		t.Errorf("Do returned %v", err)
	}
	here, _ := os.Readlink("/proc/thread-self/ns/net")
	if link == here || link == "" {
		t.Errorf("inside the namespace was %q, outside %q", link, here)
	}
}
