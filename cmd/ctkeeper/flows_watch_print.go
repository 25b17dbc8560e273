package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// eventPrinter writes events in one of the formats.
type eventPrinter struct {
	format string
	any    bool   // in the JSON document
	origin uint32 // the last, and the name of its program
	name   []byte
}

// eventWords are the kinds of events as JSON and the conntrack tool write them.
var eventWords = map[ctnetlink.EventKind][2]string{
	ctnetlink.EventNew: {"new", "    [NEW] "}, ctnetlink.EventUpdate: {"update", " [UPDATE] "}, ctnetlink.EventDestroy: {"destroy", "[DESTROY] "},
}

func (p *eventPrinter) begin(w io.Writer) error {
	if p.format != "json" {
		return nil
	}
	_, err := io.WriteString(w, `{"schema":"ctkeeper.watch/1","events":[`)
	return err
}

// end closes the document with the counts; JSON lines get them as the last one.
func (p *eventPrinter) end(w io.Writer, c sample.Counts) error {
	counts, err := json.Marshal(c)
	if err != nil {
		return err
	}
	form := "{\"event\":\"end\",\"counts\":%s}\n"
	if p.format == "json" {
		form = "\n],\"counts\":%s}\n"
	}
	_, err = fmt.Fprintf(w, form, counts)
	return err
}

func (p *eventPrinter) json() bool { return p.format == "json" || p.format == "jsonl" }

// open begins a JSON event.
func (p *eventPrinter) open(b []byte, word string) []byte {
	if p.format == "json" {
		if p.any {
			b = append(b, ',')
		}
		p.any = true
		b = append(b, '\n')
	}
	return append(append(append(b, `{"event":"`...), word...), '"')
}

func (p *eventPrinter) close(b []byte) []byte {
	b = append(b, '}')
	if p.format == "jsonl" {
		b = append(b, '\n')
	}
	return b
}

// Event prints a flow that came, changed or went.
func (p *eventPrinter) Event(b []byte, kind ctnetlink.EventKind, fl *flow.Flow, origin uint32) []byte {
	word := eventWords[kind]
	if p.json() {
		b = fl.AppendJSON(append(p.open(b, word[0]), `,"flow":`...))
		if origin != 0 {
			b = strconv.AppendUint(append(b, `,"port_id":`...), uint64(origin), 10)
		}
		return p.close(b)
	}
	b = flow.AppendText(append(b, word[1]...), fl, flow.TextOptions{Extended: p.format == "text"})
	return append(p.appendOrigin(b, origin), '\n')
}

// appendOrigin names the program that made an event, as the conntrack tool does.
func (p *eventPrinter) appendOrigin(b []byte, origin uint32) []byte {
	if origin == 0 {
		return b
	}
	b = strconv.AppendUint(append(b, " [USERSPACE] portid="...), uint64(origin), 10)
	if origin != p.origin { // one that deletes many flows is asked for once
		p.origin, p.name = origin, nil
		if name, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(origin), 10) + "/comm"); err == nil {
			p.name = bytes.TrimSpace(name)
		}
	}
	if len(p.name) > 0 {
		b = append(append(b, " progname="...), p.name...)
	}
	return b
}

// Expect prints an expectation that came, changed or went.
func (p *eventPrinter) Expect(b []byte, kind ctnetlink.EventKind, e *flow.Expectation) []byte {
	word := eventWords[kind]
	if p.json() {
		return p.close(e.AppendJSON(append(p.open(b, word[0]+"_expectation"), `,"expectation":`...)))
	}
	return append(e.AppendText(append(b, word[1]...)), '\n')
}

// Lost prints that what was shown before is no longer true.
func (p *eventPrinter) Lost(b []byte, c sample.Counts) []byte {
	if p.json() {
		b = strconv.AppendUint(append(p.open(b, "lost"), `,"lost":`...), c.Lost, 10)
		return p.close(strconv.AppendUint(append(b, `,"slow":`...), c.Slow, 10))
	}
	return fmt.Appendf(b, "   [LOST] %d\n", c.Lost+c.Slow)
}

// Sync prints a flow of the table as it is.
func (p *eventPrinter) Sync(b []byte, fl *flow.Flow) []byte {
	if p.json() {
		return p.close(fl.AppendJSON(append(p.open(b, "sync"), `,"flow":`...)))
	}
	return append(flow.AppendText(append(b, "   [SYNC] "...), fl, flow.TextOptions{Extended: true}), '\n')
}

// Synced prints that what is shown is true again.
func (p *eventPrinter) Synced(b []byte, flows uint64, consistent bool) []byte {
	if p.json() {
		b = strconv.AppendUint(append(p.open(b, "synced"), `,"flows":`...), flows, 10)
		return p.close(strconv.AppendBool(append(b, `,"consistent":`...), consistent))
	}
	return fmt.Appendf(b, " [SYNCED] %d\n", flows)
}
