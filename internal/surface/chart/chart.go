// Package chart draws curves over time as SVG and PNG: the plots of a replay, of its report and of the page.
// It knows nothing of what the curves are; texts and units come from the caller.
package chart

import (
	"fmt"
	"html"
	"math"
	"strings"
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
func dash(i int) string {
	return [...]string{"", "6 3", "2 3", "8 3 2 3"}[i/8%4]
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
	f := c.frame()
	names := c.legend()
	height := c.Height + legendRow*len(names)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="system-ui,sans-serif" font-size="12">`,
		c.Width, height, html.EscapeString(c.Title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`, c.Width, height)
	fmt.Fprintf(&b, `<text x="%d" y="17" font-size="13" font-weight="600" fill="#222">%s</text>`, 8, html.EscapeString(c.Title))
	c.axes(&b, &f)
	for i := len(c.Series) - 1; i >= 0; i-- { // the first lies on top
		c.curve(&b, &f, i)
	}
	for _, l := range c.Limits {
		if l.Value <= f.high {
			fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#b00020" stroke-dasharray="4 4"/>`, f.x0, f.x1, f.y(l.Value), f.y(l.Value))
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end" fill="#b00020" font-size="11">%s</text>`, f.x1-4, f.y(l.Value)-4, html.EscapeString(l.Name))
		}
	}
	c.legends(&b, names)
	b.WriteString("</svg>\n")
	return b.String()
}

func (c *Chart) axes(b *strings.Builder, f *frame) {
	step := niceStep(f.high, 4)
	for v := 0.0; v <= f.high*1.0001; v += step {
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#ddd"/>`, f.x0, f.x1, f.y(v), f.y(v))
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="end" fill="#555">%s</text>`, f.x0-6, f.y(v)+4, html.EscapeString(c.Y(v)))
	}
	every := niceTime(f.span, max(c.Width/110, 2))
	for at := time.Duration(0); at <= f.span; at += every {
		anchor := "middle"
		if f.x(at) > f.x1-20 {
			anchor = "end"
		}
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#999"/>`, f.x(at), f.x(at), f.y1, f.y1+4)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#555">%s</text>`, f.x(at), f.y1+18, anchor, html.EscapeString(c.X(at)))
	}
}

func (c *Chart) curve(b *strings.Builder, f *frame, i int) {
	s := &c.Series[i]
	if len(s.Values) == 0 {
		return
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.6" stroke-linejoin="round"`, palette(i))
	if d := dash(i); d != "" {
		fmt.Fprintf(b, ` stroke-dasharray="%s"`, d)
	}
	b.WriteString(` points="`)
	for n, v := range s.Values {
		fmt.Fprintf(b, "%.1f,%.1f ", f.x(time.Duration(n)*c.Step), f.y(v))
	}
	fmt.Fprintf(b, `%.1f,%.1f"><title>%s</title></polyline>`, f.x(time.Duration(len(s.Values))*c.Step), f.y(s.Values[len(s.Values)-1]), html.EscapeString(s.Name))
}

// legend lays the names out in rows.
func (c *Chart) legend() [][]int {
	var rows [][]int
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

func (c *Chart) legends(b *strings.Builder, rows [][]int) {
	for r, row := range rows {
		x, y := 8, c.Height+legendRow*r+12
		for _, i := range row {
			fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s" stroke-width="2.5"`, x, x+18, y-4, y-4, palette(i))
			if d := dash(i); d != "" {
				fmt.Fprintf(b, ` stroke-dasharray="%s"`, d)
			}
			fmt.Fprintf(b, `/><text x="%d" y="%d" fill="#222">%s</text>`, x+22, y, html.EscapeString(c.Series[i].Name))
			x += legendWidth(c.Series[i].Name)
		}
	}
}
