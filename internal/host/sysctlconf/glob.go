package sysctlconf

import "strings"

// IsGlob reports whether a key stands for all that match it.
func IsGlob(path string) bool { return strings.ContainsAny(path, "*?[") }

// Match reports whether a path matches a glob as glob(3) does: no wildcard crosses a slash, or stands for
// a leading dot.
func Match(glob, path string) bool {
	patterns, names := strings.Split(glob, "/"), strings.Split(path, "/")
	if len(patterns) != len(names) {
		return false
	}
	for i, p := range patterns {
		if strings.HasPrefix(names[i], ".") && !strings.HasPrefix(p, ".") && !strings.HasPrefix(p, "\\.") {
			return false
		}
		if !matchName(p, names[i]) {
			return false
		}
	}
	return true
}

// matchName matches one part. On a mismatch it goes back to the last star only, so time is bounded by
// the product of the lengths.
func matchName(p, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		if i < len(p) && p[i] == '*' {
			star, mark = i, j
			i++
			continue
		}
		if i < len(p) {
			if n, ok := matchByte(p[i:], s[j]); ok {
				i, j = i+n, j+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		i, j = star+1, mark
	}
	return strings.Trim(p[i:], "*") == ""
}

// matchByte matches the pattern's first element with one byte; n is the element's length.
func matchByte(p string, c byte) (n int, ok bool) {
	switch p[0] {
	case '?':
		return 1, true
	case '[':
		if n, ok, closed := matchSet(p, c); closed {
			return n, ok
		}
	case '\\':
		if len(p) > 1 {
			return 2, p[1] == c
		}
	}
	return 1, p[0] == c
}

// matchSet matches "[a-z]" or "[!a-z]"; closed is false when the bracket never ends, and is then a
// character like any other.
func matchSet(p string, c byte) (n int, ok, closed bool) {
	i, negate := 1, false
	if i < len(p) && (p[i] == '!' || p[i] == '^') {
		negate, i = true, i+1
	}
	for first := true; i < len(p) && (first || p[i] != ']'); first = false {
		low, high := p[i], p[i]
		if i+2 < len(p) && p[i+1] == '-' && p[i+2] != ']' {
			high, i = p[i+2], i+2
		}
		if low <= c && c <= high {
			ok = true
		}
		i++
	}
	if i >= len(p) {
		return 0, false, false
	}
	return i + 1, ok != negate, true
}
