package chart

import (
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"
)

// pixels draws with smooth edges, scale pixels for one of the chart's.
type pixels struct {
	img   *image.RGBA
	scale float64
	mask  []uint8 // of the line being drawn: how much of each pixel it covers
}

// pngScale makes a plot sharp on dense screens.
const pngScale = 2

// PNG writes the chart as a picture, twice as large in pixels as its width and height.
func (c *Chart) PNG(w io.Writer) error {
	height := c.fullHeight()
	p := &pixels{img: image.NewRGBA(image.Rect(0, 0, c.Width*pngScale, height*pngScale)), scale: pngScale}
	for i := range p.img.Pix {
		p.img.Pix[i] = 0xff
	}
	p.mask = make([]uint8, len(p.img.Pix)/4)
	c.draw(p)
	return png.Encode(w, p.img)
}

func (p *pixels) line(x1, y1, x2, y2 float64, look pen) {
	p.curve([]point{{x1, y1}, {x2, y2}}, look, "")
}

// curve marks what the line covers, then lays its colour over it once, so that joints are no darker.
func (p *pixels) curve(points []point, look pen, _ string) {
	area := image.Rectangle{}
	along := 0.0
	for i := 1; i < len(points); i++ {
		a, b := p.scaled(points[i-1]), p.scaled(points[i])
		for _, s := range dashed(a, b, look.dash, p.scale, &along) {
			area = area.Union(p.stroke(s[0], s[1], look.width*p.scale/2))
		}
	}
	p.lay(area, look.colour)
}

func (p *pixels) scaled(a point) point { return point{a.x * p.scale, a.y * p.scale} }

// dashed are the parts of a segment that are drawn; along is how far on the line it begins.
func dashed(a, b point, dash []float64, scale float64, along *float64) (parts [][2]point) {
	length := math.Hypot(b.x-a.x, b.y-a.y)
	if len(dash) == 0 || length == 0 {
		return [][2]point{{a, b}}
	}
	period := 0.0
	for _, d := range dash {
		period += d * scale
	}
	at := func(d float64) point { return point{a.x + (b.x-a.x)*d/length, a.y + (b.y-a.y)*d/length} }
	for pos := -math.Mod(*along, period); pos < length; {
		for i, d := range dash {
			from, to := max(pos, 0), min(pos+d*scale, length)
			if i%2 == 0 && from < to {
				parts = append(parts, [2]point{at(from), at(to)})
			}
			pos += d * scale
		}
	}
	*along += length
	return parts
}

// stroke marks a segment with round ends and returns the area that it touched.
func (p *pixels) stroke(a, b point, half float64) image.Rectangle {
	area := image.Rect(int(min(a.x, b.x)-half-1), int(min(a.y, b.y)-half-1), int(max(a.x, b.x)+half+2), int(max(a.y, b.y)+half+2)).Intersect(p.img.Rect)
	dx, dy := b.x-a.x, b.y-a.y
	square := dx*dx + dy*dy
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			px, py := float64(x)+0.5-a.x, float64(y)+0.5-a.y
			t := 0.0
			if square > 0 {
				t = min(max((px*dx+py*dy)/square, 0), 1)
			}
			cover := half + 0.5 - math.Hypot(px-t*dx, py-t*dy)
			i := y*p.img.Rect.Dx() + x
			p.mask[i] = max(p.mask[i], uint8(255*min(max(cover, 0), 1)))
		}
	}
	return area
}

// lay puts a colour where the mask says, and clears it.
func (p *pixels) lay(area image.Rectangle, colour string) {
	ink := rgb(colour)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			i := y*p.img.Rect.Dx() + x
			m := uint32(p.mask[i])
			if m == 0 {
				continue
			}
			p.mask[i] = 0
			for k, v := range [3]uint8{ink.R, ink.G, ink.B} {
				old := &p.img.Pix[4*i+k]
				*old = uint8((uint32(*old)*(255-m) + uint32(v)*m) / 255)
			}
		}
	}
}

// rgb reads #rgb or #rrggbb.
func rgb(s string) color.RGBA {
	n, _ := strconv.ParseUint(s[1:], 16, 32) // the chart's own colours
	if len(s) == 4 {
		return color.RGBA{uint8(n >> 8 & 15 * 17), uint8(n >> 4 & 15 * 17), uint8(n & 15 * 17), 255}
	}
	return color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255}
}

// text draws the strokes of each letter.
func (p *pixels) text(x, y float64, s string, look letters) {
	unit := look.size / unitsTall
	switch look.anchor {
	case atMiddle:
		x -= textWidth(s) * unit / 2
	case atEnd:
		x -= textWidth(s) * unit
	}
	half := look.size / 22 * p.scale
	if look.bold {
		half *= 1.5
	}
	area := image.Rectangle{}
	for _, r := range s {
		g := glyphOf(r)
		for _, stroke := range g.strokes {
			for i := range stroke {
				from := stroke[max(i-1, 0)]
				area = area.Union(p.stroke(p.scaled(point{x + from.x*unit, y - from.y*unit}), p.scaled(point{x + stroke[i].x*unit, y - stroke[i].y*unit}), half))
			}
		}
		x += (g.width + letterGap) * unit
	}
	p.lay(area, look.colour)
}
