package ctnetlink

import (
	"testing"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

// TestTheKernelsLayoutIsTakenAtOnce: else every flow would be walked, and only the bench would tell.
func TestTheKernelsLayoutIsTakenAtOnce(t *testing.T) {
	if unix.Getuid() != 0 {
		t.Skip("needs root to make a namespace")
	}
	tuples, infos := 0, 0
	take := func(_ header, msg []byte) error {
		for b := msg[bodyStart:]; len(b) > 0; {
			typ, v, rest, ok := next(b)
			if !ok {
				return &DecodeError{What: "attribute"}
			}
			var fl flow.Flow
			d := decoder{want: flow.AllFields}
			switch {
			case typ == attrTupleOrig && !portsTuple(v, &fl.Orig):
				t.Errorf("a tuple is walked: %x", v)
			case typ == attrTupleOrig:
				tuples++
			case typ == attrProtoInfo && !d.tcpInfo(v, &fl):
				t.Errorf("TCP's information is walked: %x", v)
			case typ == attrProtoInfo:
				infos++
			}
			b = rest
		}
		return nil
	}
	err := apart(func() error {
		c, err := Dial(Options{})
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if _, err := c.Create(t.Context(), samplesOf(filter.Exact{}), ChangeOptions{}); err != nil {
			return err
		}
		return c.ask(t.Context(), "dump", subsysCT|msgGet, unix.NLM_F_DUMP, 0, 0, nil, take)
	})
	if err != nil || tuples == 0 || infos == 0 {
		t.Errorf("%d tuples, %d of TCP: %v", tuples, infos, err)
	}
}
