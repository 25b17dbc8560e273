package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestDrillUsage(t *testing.T) {
	for _, args := range [][]string{{"--netns", "x"}, {"--from", "."}, {"now"}} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"drill"}, args...), streams{nil, &out, &errs}); code != 2 || !strings.Contains(errs.String(), "error:") {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
}
