package main

import (
	"context"
	"os"
	"time"

	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/host/capture"
)

// packets is a source of packets in the order of their times.
type packets interface {
	Next() (at int64, ip []byte, ok bool)
}

// mixedIn is what is played beside the captures: its next packet waits in it.
type mixedIn struct {
	w    *workload.Workload // nil: g has times of its own
	g    packets
	at   int64
	ip   []byte
	more bool
}

func (m *mixedIn) next() { m.at, m.ip, m.more = m.g.Next() }

// mix reads the workloads' files.
func (p *playback) mix(files []string) error {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		w, err := workload.Parse(name, text)
		if err != nil {
			return err
		}
		p.mixed = append(p.mixed, &mixedIn{w: &w})
	}
	return nil
}

// startMixed begins all that has no times of its own with the first packet that has, which a capture's may be; at
// is 0 without one.
func (p *playback) startMixed(at int64) {
	p.mixing = true
	for _, m := range p.mixed {
		if m.w != nil {
			continue
		}
		if m.next(); m.more && (at == 0 || m.at < at) {
			at = m.at
		}
	}
	if at == 0 {
		at = time.Now().UnixNano()
	}
	if p.table != nil {
		p.loadTable(at)
	}
	for _, m := range p.mixed {
		if m.w != nil {
			m.g = m.w.Packets(at)
			m.next()
		}
	}
}

// playMixed plays what comes from elsewhere before a time, in order.
func (p *playback) playMixed(ctx context.Context, until int64) error {
	if !p.mixing { // no capture
		p.startMixed(0)
	}
	for {
		m := earliest(p.mixed)
		if m == nil || m.at >= until {
			return nil
		}
		frame := capture.Frame{Link: packet.Raw, Data: m.ip, Full: len(m.ip)}
		if p.options.trace {
			frame.Time = time.Unix(0, m.at)
		}
		if err := p.packet(&frame, m.at); err != nil {
			return err
		}
		m.next()
		if p.packets&0x3fff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func earliest(all []*mixedIn) *mixedIn {
	var first *mixedIn
	for _, m := range all {
		if m.more && (first == nil || m.at < first.at) {
			first = m
		}
	}
	return first
}
