package main

import (
	"bufio"
	"math"
	"strconv"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/host/capture"
)

// tracer writes a line a packet, without allocating.
type tracer struct {
	out  *bufio.Writer
	text bool
	line []byte
}

func newTracer(a *app) *tracer {
	return &tracer{out: bufio.NewWriterSize(a.out, 1<<16), text: a.format == "text"}
}

func (t *tracer) flush() error { return t.out.Flush() }

func (t *tracer) packet(n, since int64, frame *capture.Frame, p *packet.Packet, v model.Verdict) error {
	if t.text {
		t.line = appendTraceText(t.line[:0], n, since, v)
	} else {
		t.line = appendTraceJSON(t.line[:0], n, since, frame, p, v)
	}
	_, err := t.out.Write(append(t.line, '\n'))
	return err
}

func appendTraceJSON(b []byte, n, since int64, frame *capture.Frame, p *packet.Packet, v model.Verdict) []byte {
	b = strconv.AppendInt(append(b, `{"n":`...), n, 10)
	b = strconv.AppendFloat(append(b, `,"ts":`...), math.Round(float64(since)/1e3)/1e6, 'f', -1, 64)
	b = appendLayer2(b, frame)
	if p.Frag {
		b = append(b, `,"frag":true`...)
	}
	if p.Cut {
		b = append(b, `,"truncated":true`...)
	}
	if r := v.Reason.String(); r != "" {
		b = strconv.AppendQuote(append(b, `,"reason":`...), r)
	}
	result := v.Result
	if v.Seen != 0 {
		b = append(b, `,"unconfirmed":true`...)
		result = v.Seen
	}
	b = append(append(append(b, `,"result":"`...), result.String()...), '"')
	if v.Flow != 0 {
		b = appendTraceFlow(b, v)
	}
	return append(b, '}')
}

func appendLayer2(b []byte, frame *capture.Frame) []byte {
	const key = `,"l2":"`
	before := len(b)
	b = packet.AppendLayer2(append(b, key...), frame.Link, frame.Data)
	if len(b) == before+len(key) {
		return b[:before]
	}
	return append(b, '"')
}

func appendTraceFlow(b []byte, v model.Verdict) []byte {
	dir := "orig"
	if v.Reply {
		dir = "reply"
	}
	b = append(append(append(b, `,"dir":"`...), dir...), '"')
	b = strconv.AppendUint(append(b, `,"ct":`...), v.Flow, 10)
	if v.Gone {
		return append(b, `,"gone":true`...)
	}
	if s := v.State.String(); s != "" {
		b = append(append(append(b, `,"state":"`...), s...), '"')
	}
	b = strconv.AppendInt(append(b, `,"timeout":`...), seconds(v.Timeout), 10)
	b = append(b, `,"status":[`...)
	for i, s := range v.Status.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), s...), '"')
	}
	return append(b, ']')
}

// seconds rounds to whole seconds.
func seconds(ns int64) int64 { return (ns + 5e8) / 1e9 }

// appendTraceText is the same for people: number, time, result, flow, state, timeout, status or reason.
func appendTraceText(b []byte, n, since int64, v model.Verdict) []byte {
	b = strconv.AppendInt(b, n, 10)
	b = strconv.AppendFloat(append(b, '\t'), float64(since)/1e9, 'f', 6, 64)
	b = append(append(b, '\t'), v.Result.String()...)
	if v.Flow != 0 {
		b = strconv.AppendUint(append(b, "\t#"...), v.Flow, 10)
		arrow := " > "
		if v.Reply {
			arrow = " < "
		}
		b = append(append(b, arrow...), v.State.String()...)
		if v.Gone {
			b = append(b, " DESTROY"...)
		} else {
			b = strconv.AppendInt(append(b, ' '), seconds(v.Timeout), 10)
			for _, s := range v.Status.Names() {
				b = append(append(b, ' '), s...)
			}
		}
	}
	if r := v.Reason.String(); r != "" {
		b = append(append(b, '\t'), r...)
	}
	return b
}
