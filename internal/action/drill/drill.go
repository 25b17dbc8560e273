// Package drill rehearses a full table in throwaway namespaces: it fills one to this machine's real max, shows
// what fails and what the counters, the log and the doctor say, applies a cure there, and shows that connections
// pass again. The host's own table, settings, rules and files stay as they are; the namespaces have no name and
// end with this process, however it ends.
package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"ctkeeper/internal/action/flows"
	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/kernlog"
	"ctkeeper/internal/lab"
)

// Report is what the rehearsal showed.
type Report struct {
	Max    int64  `json:"max"`
	Memory uint64 `json:"memory"` // bytes that the full table takes
	// Before, Full and After are tries to connect: with room, with none, and after the cure.
	Before Tries `json:"before"`
	Full   Tries `json:"full"`
	After  Tries `json:"after"`
	// Drop is what the kernel's counter rose by during the tries on the full table.
	Drop uint64 `json:"drop"`
	// LogLines are the kernel's messages about this table during the same tries, and LogLine the last of them;
	// absent when the log could not be read. LogUnnamed are messages that name no namespace: Linux 6.14 and
	// older name none, 6.18 leaves it out for the machine's first namespace only.
	LogLines   *uint64 `json:"log_lines,omitempty"`
	LogUnnamed uint64  `json:"log_lines_unnamed,omitempty"`
	LogLine    string  `json:"log_line,omitempty"`
	// Verdict and Findings are the doctor's, on the full table; Cured its verdict after the cure.
	Verdict  string   `json:"verdict"`
	Findings []string `json:"findings"`
	Cured    string   `json:"cured_verdict"`
	// Deleted are the idle flows that the cure took, Count what was left.
	Deleted uint64        `json:"deleted"`
	Count   int64         `json:"count_after"`
	Took    time.Duration `json:"-"`
}

// Tries are connections that were tried, one after the other.
type Tries struct {
	Made   int    `json:"made"`
	Failed int    `json:"failed"`
	Error  string `json:"error,omitempty"` // as an application sees it
}

// AsTold reports whether everything went as a full table is told to go: connections before, none while it was
// full, connections after, and a doctor who sees it.
func (r *Report) AsTold() bool {
	return r.Before.Failed == 0 && r.Full.Failed == r.Full.Made && r.After.Failed == 0 && r.Drop > 0 && r.Verdict == "table_full"
}

// Step is something that happens, for who watches.
type Step string

// Steps, in order.
const (
	Prepare Step = "prepare"
	Room    Step = "room"
	Fill    Step = "fill"
	Full    Step = "full"
	Doctor  Step = "doctor"
	Cure    Step = "cure"
	Again   Step = "again"
)

const (
	tries   = 5
	patient = 700 * time.Millisecond // how long a try waits
	// idleFor is the silence in seconds that the cure ends: longer than what TCP's default keepalive (7,875 s)
	// leaves to a connection whose ends are alive.
	idleFor = 8100
	// atMost is how long a rehearsal takes at the very most.
	atMost = time.Minute
)

// drill is one rehearsal under way.
type drill struct {
	client, server *lab.Namespace
	conn           *ctnetlink.Conn
	listener       net.Listener
	tail           *kernlog.Tail
	step           func(Step)
	r              Report
}

// Run rehearses; step is told what happens as it happens.
func Run(ctx context.Context, step func(Step)) (rep Report, err error) {
	d := &drill{step: step}
	begin := time.Now()
	ctx, stop := context.WithTimeoutCause(ctx, atMost, fmt.Errorf("not done within %s", atMost))
	defer stop()
	if err := d.checkRoom(ctx); err != nil {
		return d.r, err
	}
	defer func() {
		if ctx.Err() != nil { // what ended it says more than the step that noticed
			err = context.Cause(ctx)
		}
		err = errors.Join(err, d.close())
	}()
	for _, one := range []func(context.Context) error{d.prepare, d.room, d.fill, d.full, d.doctor, d.cure, d.again} {
		if err := ctx.Err(); err != nil {
			return d.r, err
		}
		if err := one(ctx); err != nil {
			return d.r, err
		}
	}
	d.r.Took = time.Since(begin)
	return d.r, nil
}

const port = "8080"

func serverAddr() netip.Addr { return netip.AddrFrom4([4]byte{10, 99, 0, 2}) }

// prepare makes a client and a server that tracks, joined by a wire.
func (d *drill) prepare(context.Context) (err error) {
	d.step(Prepare)
	if d.client, err = lab.Anonymous("client"); err != nil {
		return err
	}
	if d.server, err = lab.Anonymous("server"); err != nil {
		return err
	}
	a := &lab.End{NS: d.client, Name: "wire", Addrs: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/24")}}
	b := &lab.End{NS: d.server, Name: "wire", Addrs: []netip.Prefix{netip.PrefixFrom(serverAddr(), 24)}}
	if err := lab.Join(a, b); err != nil {
		return err
	}
	if err := lab.Track(d.server, lab.TrackOptions{}); err != nil {
		return err
	}
	if d.conn, err = lab.Dial(d.server); err != nil {
		return err
	}
	if err := d.server.Run(func() (err error) {
		d.listener, err = net.Listen("tcp4", net.JoinHostPort(serverAddr().String(), port))
		return err
	}); err != nil {
		return err
	}
	go answer(d.listener)
	return nil
}

// answer greets whoever connects, until the listener closes.
func answer(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "ok\n") // the client judges
		_ = c.Close()
	}
}

// connect tries to connect from the client, as an application does.
func (d *drill) connect(ctx context.Context) (t Tries) {
	for range tries {
		t.Made++
		if err := d.client.Run(func() error { return once(ctx) }); err != nil {
			t.Failed++
			t.Error = err.Error()
		}
	}
	return t
}

func once(ctx context.Context) error {
	c, err := (&net.Dialer{Timeout: patient}).DialContext(ctx, "tcp4", net.JoinHostPort(serverAddr().String(), port))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(patient)); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 3))
	return err
}

func (d *drill) room(ctx context.Context) error {
	d.step(Room)
	d.r.Before = d.connect(ctx)
	return nil
}

// fill fills the table with established flows that have been silent for a day. The tries before leave closing
// flows, which the collector may take while the table is full: they go first.
func (d *drill) fill(ctx context.Context) error {
	d.step(Fill)
	if err := d.server.Run(func() error {
		_, err := flows.Delete(ctx, flows.Options{})
		return err
	}); err != nil {
		return err
	}
	silent := uint32(432000 - 86400)
	_, err := lab.FillTable(ctx, d.server, 0, lab.Mix{Established: 100, Timeout: silent})
	return err
}

func (d *drill) full(ctx context.Context) error {
	d.step(Full)
	d.tail, _ = kernlog.OpenTail() // a log that cannot be read is not shown
	before, err := d.drops(ctx)
	if err != nil {
		return err
	}
	d.r.Full = d.connect(ctx)
	after, err := d.drops(ctx)
	d.r.Drop = after - before
	d.readLog()
	return err
}

func (d *drill) drops(ctx context.Context) (uint64, error) {
	cpus, err := d.conn.CPUStats(ctx)
	return ctnetlink.Sum(cpus)["drop"], err
}

// judge lets the doctor look at the server's namespace, while the client goes on trying.
func (d *drill) judge(ctx context.Context) (diagnose.Report, error) {
	trying, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for trying.Err() == nil {
			_ = d.client.Run(func() error { return once(trying) }) // what fails is the point
		}
	}()
	s, err := collect.Live(ctx, collect.Options{Namespaces: d.server.Path})
	stop()
	<-done
	if err != nil {
		return diagnose.Report{}, err
	}
	var own []snapshot.LogGroup // the log is the machine's: other tables' messages are none of ours
	for _, g := range s.Log.Groups {
		if g.NetnsInode == d.server.Inode { // numbers are used again: older lines may be another's
			own = append(own, g)
		}
	}
	s.Log.Groups = own
	return diagnose.Diagnose(s), nil
}

// readLog takes the kernel's lines about a full table since the tries on it began.
func (d *drill) readLog() {
	if d.tail == nil {
		return
	}
	var own uint64
	_, err := d.tail.New(func(l kernlog.Line) {
		switch {
		case l.Kind != snapshot.LogTableFull:
		case l.NetnsInode == d.server.Inode:
			own++
			d.r.LogLine = l.Text
		case l.NetnsInode == 0:
			d.r.LogUnnamed++
		}
	})
	if err == nil {
		d.r.LogLines = &own
	}
}

func (d *drill) doctor(ctx context.Context) error {
	d.step(Doctor)
	rep, err := d.judge(ctx)
	d.r.Verdict = rep.Verdict
	for _, f := range rep.Findings {
		if f.Severity != diagnose.OK {
			d.r.Findings = append(d.r.Findings, f.Code)
		}
	}
	return err
}

// cure shortens the established timeout, so that the table does not fill again, and ends the flows that have
// been silent for longer.
func (d *drill) cure(ctx context.Context) error {
	d.step(Cure)
	f, err := filter.Parse(fmt.Sprintf("state ESTABLISHED and idle > %ds", idleFor))
	if err != nil {
		return err
	}
	old := rank.NewTimeouts(map[string]int64{"tcp_timeout_established": 432000})
	if err := d.server.SetSysctl("net/netfilter/nf_conntrack_tcp_timeout_established", fmt.Sprint(idleFor)); err != nil {
		return err
	}
	return d.server.Run(func() error {
		c, err := flows.Delete(ctx, flows.Options{Filter: f, Idle: old.Idle})
		d.r.Deleted = c.Done
		return err
	})
}

func (d *drill) again(ctx context.Context) error {
	d.step(Again)
	d.r.After = d.connect(ctx)
	st, err := d.conn.Stats(ctx)
	if err != nil {
		return err
	}
	if st.Count != nil {
		d.r.Count = int64(*st.Count)
	}
	s, err := collect.Live(ctx, collect.Options{Namespaces: d.server.Path, NoLog: true, Interval: 200 * time.Millisecond})
	if err == nil {
		d.r.Cured = diagnose.Diagnose(s).Verdict
	}
	return err
}

// close ends everything that the rehearsal made.
func (d *drill) close() error {
	var errs []error
	if d.listener != nil {
		errs = append(errs, d.listener.Close())
	}
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	if d.tail != nil {
		errs = append(errs, d.tail.Close())
	}
	for _, ns := range []*lab.Namespace{d.client, d.server} {
		if ns != nil {
			errs = append(errs, ns.Close())
		}
	}
	return errors.Join(errs...)
}
