// Package record follows a namespace's table and writes what becomes of every flow: one row a flow, when it
// has ended. It follows events, or compares successive readings of the table where events cost too much.
//
//	counts, err := record.Run(ctx, record.Options{Dir: "/var/lib/ctkeeper/record"})
//
// Files are whole or not there: one is written beside its name and renamed when it is complete. What was lost
// is counted, and stands in the files' notes. It changes nothing on the host.
package record

import (
	"context"
	"errors"
	"sync"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// Options say what to record, and where.
type Options struct {
	Dir string
	// FileBytes and FileAge end a file; 0 means 256 MiB and an hour. Keep bounds all files together: the
	// oldest go first; 0 keeps all.
	FileBytes int64
	FileAge   time.Duration
	Keep      int64
	// Sample is the share of flows that is recorded, chosen by their tuples; 0 means all.
	Sample float64
	// Budget bounds the bytes an hour, over all files: the sample shrinks when more would come. 0 means no bound.
	Budget int64
	// Every compares readings of the table that far apart, instead of following events.
	Every time.Duration
	// Buffer is the bytes of events that the kernel may hold; 0 means 8 MiB.
	Buffer int
	// MaxOpen bounds the flows that are followed at once; 0 means a million. A flow takes some 200 bytes.
	MaxOpen int
	// Map replaces each flow's addresses before it is written.
	Map func(*flow.Record)
	// Notes go into every file.
	Notes map[string]string
	// Ready is called when events are followed and the table was read once.
	Ready func()
	// Torn is told of a file that a recording before this one left torn; it is removed.
	Torn func(name string)
	// Progress is called about once a second.
	Progress func(Counts)
}

// Counts account for everything.
type Counts struct {
	Events  uint64 `json:"events"`  // received
	Lost    uint64 `json:"lost"`    // events that the kernel dropped: each loss is followed by a reading of the table
	Flows   uint64 `json:"flows"`   // written
	Open    uint64 `json:"open"`    // followed now
	Skipped uint64 `json:"skipped"` // not in the sample
	Beyond  uint64 `json:"beyond"`  // not followed: too many were open
	Unsaved uint64 `json:"unsaved"` // not written: the disk refused or was too slow
	Refused uint64 `json:"refused"` // packets that a full table refused: their flows were never made, and nobody tells their tuples
	Files   uint64 `json:"files"`   // completed
	Bytes   uint64 `json:"bytes"`   // of completed files
	Reads   uint64 `json:"reads"`   // of the whole table
	// Sample is the share of the new flows that is recorded now.
	Sample float64 `json:"sample"`
}

// recorder is one recording.
type recorder struct {
	o     Options
	conn  *ctnetlink.Conn
	out   *writer
	mu    sync.Mutex // of everything below
	open  map[uint64]*entry
	count Counts
	// round numbers the readings of the table; an entry carries the last that it was in.
	round uint32
	since time.Time // the last time at which everything was known
	share share
	full  fullness
}

// Run records the calling thread's network namespace until the context ends, which is no error: flows that
// are open then are written as open.
func Run(ctx context.Context, o Options) (c Counts, err error) {
	if o.MaxOpen <= 0 {
		o.MaxOpen = 1e6
	}
	if o.Buffer <= 0 {
		o.Buffer = 8 << 20
	}
	r := &recorder{o: o, open: map[uint64]*entry{}, since: time.Now(), share: newShare(o.Sample, o.Budget)}
	if r.conn, err = ctnetlink.Dial(ctnetlink.Options{}); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, r.conn.Close()) }()
	if r.out, err = newWriter(o); err != nil {
		return c, err
	}
	if o.Every > 0 {
		err = r.compare(ctx)
	} else {
		err = r.follow(ctx)
	}
	r.endAll()
	err = errors.Join(err, r.out.close(r.notes()))
	return r.counts(), err
}

// unlessEnded keeps errors other than the end of the context.
func unlessEnded(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func (r *recorder) counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.count
	c.Open, c.Sample = uint64(len(r.open)), r.share.now
	r.out.add(&c)
	return c
}

// endAll writes the flows that are still open.
func (r *recorder) endAll() {
	r.mu.Lock()
	open := r.open
	r.open = map[uint64]*entry{}
	r.mu.Unlock()
	for _, e := range open {
		r.out.wait(e.record(time.Time{}, 0, flow.EndOpen))
	}
}

// ticking calls the progress about once a second until the context ends.
func (r *recorder) ticking(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.watch(ctx)
			r.out.tick(r.notes())
			if r.o.Progress != nil {
				r.o.Progress(r.counts())
			}
		}
	}
}
