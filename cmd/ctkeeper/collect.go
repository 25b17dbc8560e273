package main

import (
	"context"
	"fmt"
	"os"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
)

// maxSnapshot bounds a snapshot file: a large host's is a few megabytes.
const maxSnapshot = 256 << 20

// snapshot takes a snapshot of what the global flags choose: a snapshot file or a directory with --from,
// else this host.
func (a *app) snapshot(ctx context.Context, o collect.Options) (snapshot.Snapshot, error) {
	o.Version = versionText()
	if o.Namespaces == "" {
		o.Namespaces = a.netns
	}
	var end func()
	o.Progress, end = a.progress()
	defer end()
	if a.from == "" {
		return collect.Live(ctx, o)
	}
	info, err := os.Stat(a.from)
	if err != nil {
		return snapshot.Snapshot{}, usageError{fmt.Errorf("--from: %w", err)}
	}
	if info.IsDir() {
		return collect.Root(ctx, a.from, o)
	}
	return a.readSnapshot(info.Size())
}

func (a *app) readSnapshot(size int64) (snapshot.Snapshot, error) {
	if size > maxSnapshot {
		return snapshot.Snapshot{}, fmt.Errorf("--from %s: %d bytes is more than a snapshot has", a.from, size)
	}
	data, err := os.ReadFile(a.from)
	if err != nil {
		return snapshot.Snapshot{}, fmt.Errorf("--from: %w", err)
	}
	s, err := snapshot.Decode(data)
	if err != nil {
		return snapshot.Snapshot{}, fmt.Errorf("--from %s: %w", a.from, err)
	}
	return a.selectNamespace(s)
}

// selectNamespace keeps the namespaces that --netns names.
func (a *app) selectNamespace(s snapshot.Snapshot) (snapshot.Snapshot, error) {
	if a.netns == "" || a.netns == "all" {
		return s, nil
	}
	var kept []snapshot.Namespace
	for _, n := range s.Namespaces {
		if n.Name == a.netns || n.Path == a.netns || fmt.Sprint(n.Inode) == a.netns {
			kept = append(kept, n)
		}
	}
	if len(kept) == 0 {
		return s, usageError{fmt.Errorf("--netns %s: not in this snapshot", a.netns)}
	}
	s.Namespaces = kept
	return s, nil
}
