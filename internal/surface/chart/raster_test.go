package chart

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
	"time"

	"ctkeeper/internal/surface/wording"
)

func picture(t *testing.T, c Chart) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := c.PNG(&b); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// near reports whether a pixel within two of a place is about of a colour.
func near(img image.Image, x, y int, want color.RGBA) bool {
	for dy := -2; dy <= 2; dy++ {
		for dx := -2; dx <= 2; dx++ {
			r, g, b, _ := img.At(x+dx, y+dy).RGBA()
			off := func(a uint32, b uint8) bool { d := int(a>>8) - int(b); return d > 40 || d < -40 }
			if !off(r, want.R) && !off(g, want.G) && !off(b, want.B) {
				return true
			}
		}
	}
	return false
}

// TestPNGDrawsWhatSVGDraws looks for each curve where it must be.
func TestPNGDrawsWhatSVGDraws(t *testing.T) {
	c := Chart{Title: "Flux", Step: time.Second, Width: 400, Height: 200, Y: func(float64) string { return "1" }, X: func(time.Duration) string { return "s" },
		Limits: []Limit{{"max", 120}}, Series: []Series{{"low", []float64{20, 20, 20, 20}}, {"high", []float64{100, 100, 100, 100}}}}
	img := picture(t, c)
	if got := img.Bounds().Size(); got != (image.Point{800, 2 * (200 + legendRow)}) {
		t.Fatalf("size %v", got)
	}
	f := c.frame()
	for i, v := range []float64{20, 100} {
		if !near(img, int(2*(f.x0+f.x1)/2), int(2*f.y(v)), rgb(palette(i))) {
			t.Errorf("no curve at %v", v)
		}
		if near(img, int(2*(f.x0+f.x1)/2), int(2*f.y(v+10)), rgb(palette(i))) {
			t.Errorf("a curve at %v", v+10)
		}
	}
	if picture(t, sample(0, 0)) == nil || picture(t, sample(40, 500)) == nil {
		t.Error("no picture")
	}
}

// TestFontHasEveryLetter holds the font to the sentences that charts show.
func TestFontHasEveryLetter(t *testing.T) {
	known := func(r rune) bool {
		_, plain := glyphs[r]
		two, ok := accented[r]
		return plain || ok && glyphs[two[0]] != "" && marks[two[1]] != ""
	}
	for _, lang := range []wording.Lang{wording.English, wording.French} {
		for _, code := range []string{"report_count", "report_held", "report_refused", "replay_base", "replay_unchanged"} {
			for _, s := range wording.Area(code, lang) {
				for _, r := range s {
					if !known(r) {
						t.Errorf("%s %s: no letter %q", lang, code, r)
					}
				}
			}
		}
	}
	for _, r := range "0123456789=_.,:· abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%éèçà\u00a0" {
		if !known(r) {
			t.Errorf("no letter %q", r)
		}
	}
	for r, text := range glyphs {
		for _, stroke := range parseGlyph(text).strokes {
			for _, p := range stroke {
				if p.x > glyphOf(r).width+1 || p.y < -2 || p.y > 7 {
					t.Errorf("%q leaves its place at %v", r, p)
				}
			}
		}
	}
}
