package replay

// maxBins bounds a curve; when time outgrows it, two bins become one.
const maxBins = 512

// firstWidth is the width of a curve's bins at first.
const firstWidth = int64(100e6)

// Bin is a stretch of a curve: the most that the table held in it, and what happened.
type Bin struct {
	Count, Held         int
	Refused, EarlyDrops uint64
}

// curve is how a table went over time, in bins of equal width.
type curve struct {
	start, width int64
	bins         []Bin
}

func (c *curve) begin(at int64) {
	c.start, c.width = at, firstWidth
	c.bins = append(make([]Bin, 0, maxBins), Bin{})
}

// boundary is the first bin edge after at.
func (c *curve) boundary(at int64) int64 {
	return c.start + ((at-c.start)/c.width+1)*c.width
}

// fit widens the bins until at lies inside the curve.
func (c *curve) fit(at int64) {
	for (at-c.start)/c.width >= maxBins {
		half := (len(c.bins) + 1) / 2
		for i := range half {
			b := c.bins[2*i]
			if 2*i+1 < len(c.bins) {
				b = merge(b, c.bins[2*i+1])
			}
			c.bins[i] = b
		}
		c.bins = c.bins[:half]
		c.width *= 2
	}
}

func merge(a, b Bin) Bin {
	return Bin{Count: max(a.Count, b.Count), Held: max(a.Held, b.Held), Refused: a.Refused + b.Refused, EarlyDrops: a.EarlyDrops + b.EarlyDrops}
}

// note takes a table's figures into the bin of at, which fit made room for.
func (c *curve) note(at int64, count, held int, refused, early uint64) {
	i := int((at - c.start) / c.width)
	for len(c.bins) <= i {
		c.bins = append(c.bins, Bin{})
	}
	b := &c.bins[i]
	b.Count, b.Held = max(b.Count, count), max(b.Held, held)
	b.Refused += refused
	b.EarlyDrops += early
}
