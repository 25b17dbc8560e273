package chart

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func sample(series, values int) Chart {
	c := Chart{Title: "flows <&>", Step: time.Second, Width: 960, Height: 300,
		Y: func(v float64) string { return fmt.Sprintf("%g", v) }, X: time.Duration.String,
		Limits: []Limit{{Name: "max", Value: 120}, {Name: "far", Value: 1e9}}}
	for i := range series {
		s := Series{Name: fmt.Sprintf("series %d", i)}
		for n := range values {
			s.Values = append(s.Values, float64(n*(i+1)%100))
		}
		c.Series = append(c.Series, s)
	}
	return c
}

func TestSVGIsWellFormed(t *testing.T) {
	for _, c := range []Chart{sample(0, 0), sample(1, 0), sample(1, 1), sample(3, 500), sample(40, 10)} {
		svg := c.SVG()
		d := xml.NewDecoder(strings.NewReader(svg))
		lines := 0
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, svg)
			}
			if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "polyline" {
				lines++
			}
		}
		want := 0
		for _, s := range c.Series {
			if len(s.Values) > 0 {
				want++
			}
		}
		if lines != want {
			t.Errorf("%d curves drawn of %d", lines, want)
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("no number: %s", svg)
		}
		if strings.Contains(svg, ">far<") {
			t.Error("a limit far above the curves flattened them")
		}
	}
}

func TestNiceSteps(t *testing.T) {
	for high, want := range map[float64]float64{1: 0.5, 27: 10, 100: 50, 500: 200, 262144: 100000} {
		if got := niceStep(high, 4); got != want {
			t.Errorf("%v in steps of %v, want %v", high, got, want)
		}
	}
	for span, want := range map[time.Duration]time.Duration{0: time.Second, 40 * time.Second: 5 * time.Second, 24 * time.Hour: 3 * time.Hour,
		90 * 24 * time.Hour: 20 * 24 * time.Hour} {
		if got := niceTime(span, 8); got != want {
			t.Errorf("%v in steps of %v, want %v", span, got, want)
		}
	}
}
