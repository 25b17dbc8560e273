package chart

import "strings"

// A letter is strokes of a pen on a small grid: capitals are 7 units tall, small letters 5, an em is 10.
const (
	unitsTall = 10
	letterGap = 1.6
)

// glyph is a letter's width and its strokes; y grows upwards from the base line.
type glyph struct {
	width   float64
	strokes [][]point
}

// glyphs are width and strokes: each point is x and y as a digit, y two too high, so that 2 is the base line, 7 the
// top of small letters and 9 of capitals.
var glyphs = map[rune]string{
	'0': "4 12 03 08 19 39 48 43 32 12", '1': "3 07 29 22", '2': "4 08 19 39 48 47 02 42", '3': "4 08 19 39 48 47 36 16 36 45 43 32 12 03",
	'4': "4 32 39 04 44", '5': "4 49 09 06 36 45 43 32 12 03", '6': "4 48 39 19 08 03 12 32 43 45 36 16 05", '7': "4 09 49 12",
	'8': "4 16 07 08 19 39 48 47 36 16 05 03 12 32 43 45 36", '9': "4 03 12 32 43 48 39 19 08 06 15 35 46",
	'A': "4 02 29 42|14 34", 'B': "4 02 09 39 48 47 36 06 36 45 43 32 02", 'C': "4 48 39 19 08 03 12 32 43", 'D': "4 02 09 29 47 44 22 02",
	'E': "4 49 09 02 42|06 36", 'F': "4 49 09 02|06 36", 'G': "4 48 39 19 08 03 12 32 43 45 25", 'H': "4 09 02|49 42|06 46", 'I': "1 02 09",
	'J': "4 49 43 32 12 03", 'K': "4 09 02|49 05|16 42", 'L': "4 09 02 42", 'M': "5 02 09 25 59 52", 'N': "4 02 09 42 49",
	'O': "5 12 03 08 19 49 58 53 42 12", 'P': "4 02 09 39 48 46 35 05", 'Q': "5 12 03 08 19 49 58 53 42 12|34 52", 'R': "4 02 09 39 48 46 35 05|25 42",
	'S': "4 48 39 19 08 07 16 36 45 43 32 12 03", 'T': "4 09 49|29 22", 'U': "4 09 03 12 32 43 49", 'V': "4 09 22 49", 'W': "6 09 12 37 52 69",
	'X': "4 09 42|49 02", 'Y': "4 09 26 49|26 22", 'Z': "4 09 49 02 42",
	'a': "4 17 37 46 42|45 15 04 03 12 32 43", 'b': "4 09 02|06 17 37 46 43 32 12 03", 'c': "4 46 37 17 06 03 12 32 43", 'd': "4 49 42|46 37 17 06 03 12 32 43",
	'e': "4 05 45 46 37 17 06 03 12 42", 'f': "3 39 29 18 12|07 37", 'g': "4 47 41 30 10 01|46 37 17 06 04 13 33 44", 'h': "4 09 02|06 17 37 46 42",
	'i': "1 02 07|09 09", 'ı': "1 02 07", 'j': "2 17 11 00|19 19", 'k': "4 09 02|47 04|15 42", 'l': "1 09 02", 'm': "6 02 07|06 17 27 36 32|36 47 57 66 62",
	'n': "4 02 07|06 17 37 46 42", 'o': "4 17 06 03 12 32 43 46 37 17", 'p': "4 00 07|06 17 37 46 43 32 12 03", 'q': "4 40 47|46 37 17 06 03 12 32 43",
	'r': "3 02 07|06 17 37", 's': "4 46 37 17 06 15 35 44 43 32 12 03", 't': "3 19 13 22 32|07 37", 'u': "4 07 03 12 32 43|47 42", 'v': "4 07 22 47",
	'w': "6 07 12 36 52 67", 'x': "4 07 42|47 02", 'y': "4 07 22|47 10 00", 'z': "4 07 47 02 42",
	'.': "1 02 02", ',': "1 12 11 00", ':': "1 02 02|06 06", '%': "5 02 59|08 19 28 17 08|33 44 53 42 33", '-': "3 05 35", '–': "4 05 45", '/': "3 02 39",
	'(': "2 29 17 14 22", ')': "2 09 17 14 02", '_': "4 01 41", '=': "4 04 44|06 46", '+': "4 05 45|23 27", '·': "1 05 05", '…': "5 02 02|22 22|42 42",
	'\'': "1 09 07", '’': "1 09 07", '×': "3 04 37|34 07", '<': "4 48 05 42", '>': "4 08 45 02", '*': "3 05 35|17 13", '&': "4 42 08 19 28 04 13 33 45",
	' ': "2", '\u00a0': "2", '\u202f': "1",
}

// marks are accents over the letter x; the cedilla hangs under it.
var marks = map[rune]string{'´': "4 28 39", '`': "4 28 19", '^': "4 18 29 38", '¨': "4 18 18|38 38", '¸': "4 22 31 20 10"}

// accented are letters made of two.
var accented = map[rune][2]rune{
	'é': {'e', '´'}, 'è': {'e', '`'}, 'ê': {'e', '^'}, 'ë': {'e', '¨'}, 'à': {'a', '`'}, 'â': {'a', '^'}, 'ù': {'u', '`'}, 'û': {'u', '^'}, 'ü': {'u', '¨'},
	'ô': {'o', '^'}, 'ö': {'o', '¨'}, 'î': {'ı', '^'}, 'ï': {'ı', '¨'}, 'ç': {'c', '¸'}, 'É': {'E', '´'}, 'È': {'E', '`'}, 'Ê': {'E', '^'}, 'À': {'A', '`'}, 'Ç': {'C', '¸'},
}

// glyphOf is a letter, or an empty box for one that is not known.
func glyphOf(r rune) glyph {
	if two, ok := accented[r]; ok {
		g, mark := parseGlyph(glyphs[two[0]]), parseGlyph(marks[two[1]])
		for _, stroke := range mark.strokes {
			for i := range stroke {
				stroke[i].x += (g.width - mark.width) / 2
				if two[0] < 'a' && two[1] != '¸' {
					stroke[i].y += 2
				}
			}
			g.strokes = append(g.strokes, stroke)
		}
		return g
	}
	text, ok := glyphs[r]
	if !ok {
		text = "3 02 09 39 32 02"
	}
	return parseGlyph(text)
}

func parseGlyph(text string) glyph {
	width, rest, _ := strings.Cut(text, " ")
	g := glyph{width: float64(width[0] - '0')}
	if rest == "" {
		return g
	}
	for _, part := range strings.Split(rest, "|") {
		var stroke []point
		for _, p := range strings.Fields(part) {
			stroke = append(stroke, point{float64(p[0] - '0'), float64(p[1]-'0') - 2})
		}
		g.strokes = append(g.strokes, stroke)
	}
	return g
}

// textWidth is how wide a text is, in units.
func textWidth(s string) float64 {
	wide := -letterGap
	for _, r := range s {
		wide += glyphOf(r).width + letterGap
	}
	return max(wide, 0)
}
