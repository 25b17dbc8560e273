package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/history"
)

// TestHistoryTellsIncidentsAndTheirChanges: an incident's line, and below it what was done to settings meanwhile.
func TestHistoryTellsIncidentsAndTheirChanges(t *testing.T) {
	dir := t.TempDir()
	db, _, err := history.Open(filepath.Join(dir, "history.db"), history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-time.Minute)
	db.Incident(snapshot.Incident{ID: "1", Namespace: "host", Began: began, Ended: began.Add(30 * time.Second), Peak: 262144, Max: 262144, Refused: 12,
		Changes: []snapshot.Changed{{At: began, Setting: "max", From: 262144, To: 524288, By: "settings set"}, {At: began, Setting: "udp_timeout", From: 30, To: 20}}})
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	out, errs, code := command("", "history", "--incidents", "--state-dir", dir)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || errs != "" || len(lines) != 3 || !strings.Contains(lines[0], "12 packets refused") ||
		!strings.Contains(lines[1], "max was set from 262144 to 524288 by settings set") || !strings.Contains(lines[2], "udp_timeout was set from 30 to 20") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
}
