// Package chart draws curves over time as SVG and PNG: the plots of a replay, of its report and of the page.
// It knows nothing of what the curves are; texts and units come from the caller.
package chart

import (
	"math"
	"time"
)

// Chart is curves over one span of time.
type Chart struct {
	Title string
	// Step is the time between two values of every series; the first is at 0.
	Step   time.Duration
	Series []Series
	// Limits are horizontal lines, such as max.
	Limits []Limit
	// NoLegend leaves out the curves' names: another chart beside this one has them.
	NoLegend bool
	// Width and Height are in pixels.
	Width, Height int
	// Y and X write the axes' figures.
	Y func(float64) string
	X func(time.Duration) string
}

// Series is one curve.
type Series struct {
	Name   string
	Values []float64
}

// Limit is a level drawn across.
type Limit struct {
	Name  string
	Value float64
}

// palette are colours that colour-blind readers tell apart (Okabe and Ito's, the first darkened).
func palette(i int) string {
	colours := [...]string{"#333333", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a3e9d"}
	return colours[i%len(colours)]
}

// dash tells curves of the same colour apart.
func dash(i int) []float64 {
	return [...][]float64{nil, {6, 3}, {2, 3}, {8, 3, 2, 3}}[i/8%4]
}

const (
	left, right, top, bottom = 64, 12, 28, 26
	legendRow                = 18
)

// frame is where the curves lie inside the picture.
type frame struct {
	x0, y0, x1, y1 float64
	high           float64       // value at y0
	span           time.Duration // time at x1
}

func (c *Chart) frame() frame {
	f := frame{x0: left, y0: top, x1: float64(c.Width - right), y1: float64(c.Height - bottom), high: 1, span: c.span()}
	for _, s := range c.Series {
		for _, v := range s.Values {
			f.high = max(f.high, v)
		}
	}
	for _, l := range c.Limits {
		if l.Value < 2*f.high {
			f.high = max(f.high, l.Value)
		}
	}
	step := niceStep(f.high, 4)
	f.high = math.Ceil(f.high/step) * step
	return f
}

func (c *Chart) span() time.Duration {
	n := 1
	for _, s := range c.Series {
		n = max(n, len(s.Values))
	}
	return time.Duration(n) * c.Step
}

func (f *frame) x(at time.Duration) float64 {
	if f.span == 0 {
		return f.x0
	}
	return f.x0 + (f.x1-f.x0)*float64(at)/float64(f.span)
}

func (f *frame) y(v float64) float64 { return f.y1 - (f.y1-f.y0)*min(v/f.high, 1) }

// niceStep divides high into about n round parts: 1, 2 or 5 times a power of ten.
func niceStep(high float64, n int) float64 {
	raw := high / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw {
			return m * power
		}
	}
	return 10 * power
}

// niceTime divides a span into about n parts that people count time in.
func niceTime(span time.Duration, n int) time.Duration {
	const day = 24 * time.Hour
	steps := []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day}
	for _, s := range steps {
		if span/s <= time.Duration(n) {
			return s
		}
	}
	return time.Duration(niceStep(float64(span/day), n)) * day
}

// SVG is the chart as one SVG element that fills the width it is given.
func (c *Chart) SVG() string {
	b := &svg{}
	b.open(c, c.fullHeight())
	c.draw(b)
	b.WriteString("</svg>\n")
	return b.String()
}

// fullHeight is that of the curves and of the legend under them.
func (c *Chart) fullHeight() int { return c.Height + legendRow*len(c.legend()) }

// draw draws everything; the first curve lies on top.
func (c *Chart) draw(b canvas) {
	f := c.frame()
	b.text(8, 17, c.Title, letters{colour: "#222222", size: 13, bold: true})
	c.axes(b, &f)
	for i := len(c.Series) - 1; i >= 0; i-- {
		c.curve(b, &f, i)
	}
	for _, l := range c.Limits {
		if l.Value <= f.high {
			b.line(f.x0, f.y(l.Value), f.x1, f.y(l.Value), pen{colour: "#b00020", width: 1, dash: []float64{4, 4}})
			b.text(f.x1-4, f.y(l.Value)-4, l.Name, letters{colour: "#b00020", size: 11, anchor: atEnd})
		}
	}
	c.legends(b)
}

func (c *Chart) axes(b canvas, f *frame) {
	grey := letters{colour: "#555555", size: 12}
	step := niceStep(f.high, 4)
	for v := 0.0; v <= f.high*1.0001; v += step {
		b.line(f.x0, f.y(v), f.x1, f.y(v), pen{colour: "#dddddd", width: 1})
		grey.anchor = atEnd
		b.text(f.x0-6, f.y(v)+4, c.Y(v), grey)
	}
	every := niceTime(f.span, max(c.Width/110, 2))
	for at := time.Duration(0); at <= f.span; at += every {
		grey.anchor = atMiddle
		if f.x(at) > f.x1-20 {
			grey.anchor = atEnd
		}
		b.line(f.x(at), f.y1, f.x(at), f.y1+4, pen{colour: "#999999", width: 1})
		b.text(f.x(at), f.y1+18, c.X(at), grey)
	}
}

func (c *Chart) curve(b canvas, f *frame, i int) {
	s := &c.Series[i]
	if len(s.Values) == 0 {
		return
	}
	points := make([]point, 0, len(s.Values)+1)
	for n, v := range s.Values {
		points = append(points, point{f.x(time.Duration(n) * c.Step), f.y(v)})
	}
	points = append(points, point{f.x(time.Duration(len(s.Values)) * c.Step), f.y(s.Values[len(s.Values)-1])})
	b.curve(points, pen{colour: palette(i), width: 1.6, dash: dash(i)}, s.Name)
}

// legend lays the names out in rows.
func (c *Chart) legend() [][]int {
	var rows [][]int
	if c.NoLegend {
		return nil
	}
	used := c.Width
	for i, s := range c.Series {
		w := legendWidth(s.Name)
		if used+w > c.Width-8 {
			rows = append(rows, nil)
			used = 8
		}
		used += w
		rows[len(rows)-1] = append(rows[len(rows)-1], i)
	}
	return rows
}

// legendWidth is what a name takes, by the mean width of a letter.
func legendWidth(name string) int { return 34 + 7*len([]rune(name)) }

func (c *Chart) legends(b canvas) {
	for r, row := range c.legend() {
		x, y := 8, float64(c.Height+legendRow*r+12)
		for _, i := range row {
			b.line(float64(x), y-4, float64(x+18), y-4, pen{colour: palette(i), width: 2.5, dash: dash(i)})
			b.text(float64(x+22), y, c.Series[i].Name, letters{colour: "#222222", size: 12})
			x += legendWidth(c.Series[i].Name)
		}
	}
}
