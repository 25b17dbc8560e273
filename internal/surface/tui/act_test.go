package tui

import (
	"errors"
	"strings"
	"testing"
)

func TestViewWithoutChangeOnlyLooks(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.pass(1, 0, 0)
	d.keys(" ", "d")
	d.shows("this view only looks")
}

func markable(t *testing.T) *driver {
	t.Helper()
	d := start(t, options(t, "src", "state SYN_SENT"))
	d.m.o.Change = d.f
	d.pass(1, 0, 0)
	return d
}

func TestDeleteWhatIsMarked(t *testing.T) {
	d := markable(t)
	d.keys("d")
	d.shows("nothing is marked")
	d.keys(" ", " ")
	d.shows("2 rows marked", " *")
	d.keys("d")
	d.shows("Delete 52 flows (2 protected)?", "the most: 10.0.0.")
	if f := d.f.action.Filter.String(); !strings.Contains(f, "state SYN_SENT") || strings.Count(f, "src 10.0.0.") != 2 {
		t.Errorf("the filter is %q", f)
	}
	for _, no := range []string{"n", "enter", "esc", "Z"} {
		d.keys(no)
		if d.shows("nothing was changed"); d.f.deleted != 0 {
			t.Fatalf("%s means yes", no)
		}
		d.keys("d")
	}
	d.keys("y")
	if d.f.deleted != 1 || d.f.action.Verb != Delete || len(d.m.marks) != 0 {
		t.Errorf("%+v", d.f)
	}
	d.shows("120 deleted, 3 gone already, 1 refused, 2 protected")
}

func TestRetimeWhatIsMarked(t *testing.T) {
	d := markable(t)
	d.keys(" ", "t", "soon", "enter")
	d.shows("soon: not a number of seconds")
	d.keys("ctrl+u", "30", "enter")
	d.shows("flows 30 s (2 protected)?")
	d.keys("y")
	d.shows("120 retimed")
	if d.f.action.Verb != Retime || d.f.action.Timeout != 30 {
		t.Errorf("%+v", d.f.action)
	}
	d.keys(" ", "t", "enter")
	d.shows("the present timeouts")
	d.keys("y")
	if d.f.action.Timeout != 0 {
		t.Errorf("%+v", d.f.action)
	}
}

func TestActingErrors(t *testing.T) {
	d := markable(t)
	d.f.previewErr = errors.New("not permitted")
	d.keys(" ", "d")
	d.shows("not permitted")
	d.f.previewErr, d.f.doErr = nil, errors.New("netlink is gone")
	d.keys("d", "y")
	d.shows("stopped after 120: netlink is gone")
}

// TestRankingAfterADeleteIsNew: a reading that was under way shows the table from before.
func TestRankingAfterADeleteIsNew(t *testing.T) {
	d := markable(t)
	d.keys(" ", "d")
	d.m.table.busy = true
	old := rankMsg{asked: d.m.asked, ranking: d.m.table.value}
	asked := len(d.f.asked)
	d.keys("y")
	if len(d.f.asked) != asked+1 || d.m.asked == old.asked {
		t.Error("the table was not read again")
	}
}

// TestMarksDieWithTheirRanking: what is not shown is not acted on.
func TestMarksDieWithTheirRanking(t *testing.T) {
	for _, keys := range [][]string{{"tab"}, {"enter"}, {"/", " tcp", "enter"}, {"u"}} {
		d := markable(t)
		d.keys(" ")
		if len(d.m.marks) != 1 {
			t.Fatal("no mark")
		}
		d.keys(keys...)
		if len(d.m.marks) != 0 {
			t.Errorf("%v: still marked", keys)
		}
	}
}
