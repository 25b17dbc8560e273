package main

import (
	"fmt"
	"time"
)

// progress returns a function that shows on a terminal how far work is, once it has taken a second, and
// one that takes the line away.
func (a *app) progress() (show func(what string, done, size int64), end func()) {
	if !isTerminal(a.err) {
		return nil, func() {}
	}
	start, shown := time.Now(), time.Time{}
	show = func(what string, done, size int64) {
		now := time.Now()
		if now.Sub(start) < time.Second || now.Sub(shown) < 200*time.Millisecond {
			return
		}
		shown = now
		if size > 0 {
			fmt.Fprintf(a.err, "\r\x1b[K%s %d%%", what, 100*done/size)
			return
		}
		fmt.Fprintf(a.err, "\r\x1b[K%s %d MiB", what, done>>20)
	}
	return show, func() {
		if !shown.IsZero() {
			fmt.Fprint(a.err, "\r\x1b[K")
		}
	}
}
