package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/flow"
)

// The line forms that `-o` chooses, beside the conntrack tool's list.
const (
	formSave = "save"
	formXML  = "xml"
)

// flowPrinter prints flows one after the other, in one buffer.
type flowPrinter struct {
	out    *bufio.Writer
	format string
	form   string // of the format conntrack: the list when empty
	text   flow.TextOptions
	line   []byte
	any    bool
}

func (a *app) flowPrinter(output []string) (*flowPrinter, error) {
	p := &flowPrinter{out: bufio.NewWriterSize(a.out, 64<<10), format: a.format}
	if len(output) > 0 && a.format != "conntrack" {
		return nil, usageError{errors.New("-o needs --format conntrack")}
	}
	switch a.format {
	case "text":
		p.text.Extended = true
	case "json", "jsonl", "conntrack":
	default:
		return nil, usageError{fmt.Errorf("--format %s: flows list prints text, json, jsonl or conntrack", a.format)}
	}
	save, other := false, false
	for _, o := range output {
		name, err := p.option(o)
		if err != nil {
			return nil, usageError{err}
		}
		save = save || name == formSave
		other = other || name != formSave && name != "userspace"
	}
	if save && other {
		return nil, usageError{errors.New("-o save: not together with another")}
	}
	return p, nil
}

// outputs are what `-o` knows, in the order in which the conntrack tool completes a shortened name.
// Its timestamp and userspace say something of events only.
var outputs = [...]string{formXML, "extended", "timestamp", "id", "ktimestamp", "userspace", formSave}

func (p *flowPrinter) option(o string) (string, error) {
	name := ""
	for _, known := range outputs {
		if o != "" && strings.HasPrefix(known, strings.ToLower(o)) {
			name = known
			break
		}
	}
	switch name {
	case "extended":
		p.text.Extended = true
	case "id":
		p.text.ID = true
	case "ktimestamp":
		p.text.Times = time.Local
	case formSave, formXML:
		p.form = name
	case "":
		return "", fmt.Errorf("-o %s: not one of extended, id, ktimestamp, save, xml", o)
	}
	return name, nil
}

func (p *flowPrinter) begin() error {
	if p.format != "json" {
		return nil
	}
	_, err := p.out.WriteString(`{"schema":"ctkeeper.flows/1","flows":[`)
	return err
}

func (p *flowPrinter) print(f *flow.Flow) error {
	p.line = p.line[:0]
	switch p.format {
	case "json":
		if p.any {
			p.line = append(p.line, ',')
		}
		p.line = f.AppendJSON(append(p.line, '\n'))
	case "jsonl":
		p.line = append(f.AppendJSON(p.line), '\n')
	default:
		if f.Has(flow.HasTimestamp) {
			p.text.Now = time.Now()
		}
		p.line = append(p.appendLine(p.line, f), '\n')
	}
	p.any = true
	_, err := p.out.Write(p.line)
	return err
}

// appendLine appends a flow in one of the conntrack tool's forms.
func (p *flowPrinter) appendLine(b []byte, f *flow.Flow) []byte {
	switch p.form {
	case formSave:
		return flow.AppendSave(b, f)
	case formXML:
		if !p.any {
			b = append(b, flow.XMLHead...)
		}
		return flow.AppendXML(b, f, p.text)
	}
	return flow.AppendText(b, f, p.text)
}

// end closes the document. After an error the document stays open: it must not look whole.
func (p *flowPrinter) end(whole bool) error {
	foot := ""
	switch {
	case whole && p.format == "json":
		foot = "\n]}\n"
	case whole && p.form == formXML && p.any:
		foot = flow.XMLFoot
	}
	if _, err := p.out.WriteString(foot); err != nil {
		return err
	}
	return p.out.Flush()
}
