package rank

import (
	"cmp"
	"slices"
)

// Summary returns what was counted.
func (r *Ranker) Summary() Summary {
	for _, s := range r.sketches {
		s.sketch.settle()
	}
	return Summary{
		Total: r.total, Assured: r.assured, Closing: r.closing, NAT: r.nat, Classes: r.classRows(),
		Source: r.rows(Src), Dest: r.rows(Dst), SourcePrefix: r.rows(SrcPrefix), DestPrefix: r.rows(DstPrefix),
		DestPort: r.rows(DstPort), Zone: r.rows(Zone), Sketched: r.sketched(),
	}
}

// keyNames are the names of the keys in the summary's JSON.
var keyNames = [summaryKeys]string{"src", "dst", "src_prefix", "dst_prefix", "dport", "zone"}

func (r *Ranker) sketched() []string {
	var names []string
	for _, s := range r.sketches {
		if !s.sketch.exact() {
			names = append(names, keyNames[s.part.Key])
		}
	}
	return names
}

func (r *Ranker) classRows() []Class {
	var rows []Class
	for _, row := range r.classes {
		if row == nil {
			continue
		}
		for _, c := range row {
			if c != nil {
				rows = append(rows, r.classRow(c))
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b Class) int { return cmp.Compare(b.Count, a.Count) })
	return rows
}

func (r *Ranker) classRow(c *class) Class {
	row := Class{Proto: c.proto.String(), State: c.state.String(), Count: c.count, Assured: c.assured, Unreplied: c.unreplied}
	if r.timed {
		remaining := c.remaining
		row.Remaining = &remaining
	}
	if r.o.Timeouts != nil {
		idle := c.idle
		row.Idle = &idle
	}
	return row
}

// rows returns the largest entries of one key.
func (r *Ranker) rows(k Key) []Row {
	for _, s := range r.sketches {
		if s.part.Key == k {
			return s.rows(r.o.Top)
		}
	}
	return nil
}

func (s ranked) rows(n int) []Row {
	best := newTop(n, s.sketch)
	for i := range s.sketch.entries {
		best.add(int32(i))
	}
	rows := make([]Row, 0, len(best.entries))
	for _, i := range best.sorted() {
		e := &s.sketch.entries[i]
		rows = append(rows, Row{
			Key: s.part.text(e.key, 0), Count: uint64(e.count), Error: uint64(s.sketch.errorOf(i)),
			Assured: uint64(e.assured), HalfOpen: uint64(e.halfOpen),
		})
	}
	return rows
}
