package tui

import (
	"strings"
	"unicode/utf8"

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
func cut(s string, width int) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	runes := []rune(s)
	for lipgloss.Width(string(runes)) >= width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
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
func sparkline(values []float64, low, high float64) string {
	levels := []rune("▁▂▃▄▅▆▇█")
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

// asciiFor is what stands for a character on a terminal that knows ASCII alone.
func asciiFor(r rune) rune {
	const known, instead = "▁▂▃▄▅▆▇█…·±≥↓↑←→’«»éèêëàâçîïôûùÉÈÀ\u00a0", "_.-=+*#@~|~~v^<>'\"\"eeeeaaciiouuEEA "
	if r < 0x80 {
		return r
	}
	if i := utf8.RuneCountInString(known[:max(0, strings.IndexRune(known, r))]); strings.ContainsRune(known, r) {
		return rune(instead[i])
	}
	return '?'
}
