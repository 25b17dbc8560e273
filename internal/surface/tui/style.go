package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// styles are the view's colours, of the sixteen that every terminal has. All that a colour says, text
// says too.
type styles struct {
	bold, dim, good, warn, bad, row lipgloss.Style
}

func newStyles() styles {
	s := lipgloss.NewStyle
	return styles{
		bold: s().Bold(true), dim: s().Faint(true), row: s().Reverse(true),
		good: s().Foreground(lipgloss.Green), warn: s().Foreground(lipgloss.Yellow), bad: s().Foreground(lipgloss.Red).Bold(true),
	}
}

// cut shortens a text without styles to a width; what is longer ends in an ellipsis.
func cut(s string, width int, ellipsis string) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && lipgloss.Width(string(runes))+lipgloss.Width(ellipsis) > width {
		runes = runes[:len(runes)-1]
	}
	if lipgloss.Width(ellipsis) > width {
		return ""
	}
	return string(runes) + ellipsis
}

// pad fills a text up with blanks: on its right, or on its left.
func pad(s string, width int, left bool) string {
	blanks := strings.Repeat(" ", max(0, width-lipgloss.Width(s)))
	if left {
		return blanks + s
	}
	return s + blanks
}

// bar draws shares of a width: what is held, what else is used, what is free.
func bar(width int, held, used float64, heldKnown bool) string {
	cells := func(share float64) int {
		n := int(min(max(share, 0), 1)*float64(width) + 0.5)
		if share > 0 {
			n = max(n, 1) // what is there shows
		}
		return n
	}
	u := cells(used)
	h := 0
	rest := "="
	if heldKnown {
		h, rest = min(cells(held), u), "+"
	}
	return strings.Repeat("#", h) + strings.Repeat(rest, u-h) + strings.Repeat(".", width-u)
}

// sparkline draws values between low and high; a value that is not known is a blank.
func sparkline(values []float64, low, high float64, ascii bool) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	if ascii {
		levels = []rune("_.-=+*#@")
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case v != v:
			b.WriteRune(' ')
		case high <= low:
			b.WriteRune(levels[0])
		default:
			b.WriteRune(levels[min(len(levels)-1, int((v-low)/(high-low)*float64(len(levels))))])
		}
	}
	return b.String()
}

// clean takes control characters out of what others named.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
