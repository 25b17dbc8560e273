package main

import (
	"bufio"
	"errors"
	"fmt"

	"ctkeeper/internal/conntrack/flow"
)

// flowPrinter prints flows one after the other, in one buffer.
type flowPrinter struct {
	out    *bufio.Writer
	format string
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
	for _, o := range output {
		switch o {
		case "extended":
			p.text.Extended = true
		case "id":
			p.text.ID = true
		default:
			return nil, usageError{fmt.Errorf("-o %s: not one of extended, id", o)}
		}
	}
	return p, nil
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
		p.line = append(flow.AppendText(p.line, f, p.text), '\n')
	}
	p.any = true
	_, err := p.out.Write(p.line)
	return err
}

// end closes the document. After an error the document stays open: it must not look whole.
func (p *flowPrinter) end(whole bool) error {
	if whole && p.format == "json" {
		if _, err := p.out.WriteString("\n]}\n"); err != nil {
			return err
		}
	}
	return p.out.Flush()
}
