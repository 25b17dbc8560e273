package chart

import (
	"fmt"
	"html"
	"strings"
)

// canvas is what a chart is drawn on: SVG or pixels. Lengths are in the chart's pixels, colours are "#rrggbb".
type canvas interface {
	line(x1, y1, x2, y2 float64, look pen)
	curve(points []point, look pen, name string)
	text(x, y float64, s string, look letters)
}

type point struct{ x, y float64 }

// pen is how a line looks; dash is empty, or lengths on and off.
type pen struct {
	colour string
	width  float64
	dash   []float64
}

// letters are how a text looks; anchor is which part of it stands at the place.
type letters struct {
	colour string
	size   float64
	bold   bool
	anchor anchor
}

type anchor uint8

const (
	atStart anchor = iota
	atMiddle
	atEnd
)

// svg writes elements.
type svg struct{ strings.Builder }

func (b *svg) open(c *Chart, height int) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="system-ui,sans-serif">`,
		c.Width, height, html.EscapeString(c.Title))
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#fff"/>`, c.Width, height)
}

func (p pen) attributes() string {
	s := fmt.Sprintf(` stroke="%s" stroke-width="%g"`, p.colour, p.width)
	for i, d := range p.dash {
		s += [...]string{` stroke-dasharray="`, " "}[min(i, 1)] + fmt.Sprintf("%g", d)
	}
	if len(p.dash) > 0 {
		s += `"`
	}
	return s
}

func (b *svg) line(x1, y1, x2, y2 float64, look pen) {
	fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"%s/>`, x1, x2, y1, y2, look.attributes())
}

func (b *svg) curve(points []point, look pen, name string) {
	fmt.Fprintf(b, `<polyline fill="none" stroke-linejoin="round"%s points="`, look.attributes())
	for i, p := range points {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%.1f,%.1f", p.x, p.y)
	}
	fmt.Fprintf(b, `"><title>%s</title></polyline>`, html.EscapeString(name))
}

func (b *svg) text(x, y float64, s string, look letters) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="%g" fill="%s"`, x, y, look.size, look.colour)
	if look.bold {
		b.WriteString(` font-weight="600"`)
	}
	if look.anchor != atStart {
		fmt.Fprintf(b, ` text-anchor="%s"`, [...]string{"start", "middle", "end"}[look.anchor])
	}
	fmt.Fprintf(b, `>%s</text>`, html.EscapeString(s))
}
