package apply_test

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/action/apply"
	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/host/hostfs"
)

const established = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established"

// spaces are other network namespaces, each with files of its own; one that is not there is gone.
type spaces map[string]struct {
	hands apply.Settings
	inode uint64
}

func (s spaces) Settings(path string) apply.Settings { return s[path].hands }

func (s spaces) Inode(path string) (uint64, error) {
	if path == "" {
		return 1, nil
	}
	if ns, ok := s[path]; ok {
		return ns.inode, nil
	}
	return 0, fs.ErrNotExist
}

// inWeb is a runner for a host with a namespace "web", and a plan for it.
func inWeb(t *testing.T, hands apply.Settings) (*apply.Runner, plan.Plan, spaces) {
	t.Helper()
	f := host(t)
	all := spaces{}
	web := all["/run/netns/web"]
	web.hands, web.inode = hands, 7
	all["/run/netns/web"] = web
	from := int64(432000)
	p := plan.Plan{Schema: plan.Schema, Namespace: "web", Path: "/run/netns/web", Steps: []plan.Step{{
		Setting: "tcp_timeout_established", Key: "net.netfilter.nf_conntrack_tcp_timeout_established", Path: established, From: &from, To: 777,
	}}}
	return &apply.Runner{
		FS: f, Netns: all, StateDir: "/var/lib/ctkeeper", LockPath: filepath.Join(f.Root, "var/lock"), Now: time.Now, BootID: "b",
	}, p, all
}

func value(t *testing.T, f hostfs.FS) string {
	t.Helper()
	data, err := f.ReadFile(established, 64)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func TestRecoverPutsBackInTheEntrysOwnNamespace(t *testing.T) {
	web := host(t)
	r, p, all := inWeb(t, &faulty{FS: web, at: 1, kill: true, after: true})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the run was not killed")
			}
		}()
		_, _ = r.Apply(context.Background(), p, apply.Options{})
	}()
	if got := value(t, web); got != "777" {
		t.Fatalf("the namespace reads %s before the recovery", got)
	}
	ns := all[p.Path]
	ns.hands = web
	all[p.Path] = ns
	next := *r // another run, that knows no plan
	next.LockPath += "2"
	closed, err := next.Recover(context.Background())
	if err != nil || len(closed) != 1 || len(closed[0].Left)+len(closed[0].Unreached) != 0 || value(t, web) != "432000" {
		t.Errorf("closed %+v, error %v, the namespace reads %s", closed, err, value(t, web))
	}
}

func TestUndoNamesWhatItDoesNotReach(t *testing.T) {
	for name, change := range map[string]func(spaces){
		"gone":           func(s spaces) { delete(s, "/run/netns/web") },
		"another by now": func(s spaces) { ns := s["/run/netns/web"]; ns.inode = 8; s["/run/netns/web"] = ns },
	} {
		t.Run(name, func(t *testing.T) {
			web := host(t)
			r, p, all := inWeb(t, web)
			if _, err := r.Apply(context.Background(), p, apply.Options{}); err != nil {
				t.Fatal(err)
			}
			change(all)
			e, err := r.Undo(context.Background(), "")
			if err != nil || len(e.Unreached) != 1 || value(t, web) != "777" {
				t.Errorf("%+v, error %v, the namespace reads %s", e, err, value(t, web))
			}
		})
	}
}

func TestConfirmReadsBackInTheEntrysOwnNamespace(t *testing.T) {
	web := host(t)
	r, p, _ := inWeb(t, web)
	if _, err := r.Apply(context.Background(), p, apply.Options{ConfirmWithin: time.Minute}); err != nil {
		t.Fatal(err)
	}
	e, err := r.Confirm(context.Background())
	if err != nil || e.State != apply.Done || value(t, web) != "777" {
		t.Errorf("%+v, error %v, the namespace reads %s", e, err, value(t, web))
	}
}
