package main

import (
	"context"
	"encoding/json"
	"os"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
)

// doctorSnapshot is what doctor judges: every namespace that tracks, or what --from and --netns say.
func (a *app) doctorSnapshot(ctx context.Context) (s snapshot.Snapshot, err error) {
	o := collect.Options{Namespaces: a.netns, Tracking: true, Version: versionText()}
	if a.from == "" {
		return collect.Live(ctx, o)
	}
	info, err := os.Stat(a.from)
	if err != nil {
		return s, err
	}
	if info.IsDir() {
		return collect.Root(ctx, a.from, o)
	}
	b, err := os.ReadFile(a.from)
	if err != nil {
		return s, err
	}
	err = json.Unmarshal(b, &s)
	return s, err
}
