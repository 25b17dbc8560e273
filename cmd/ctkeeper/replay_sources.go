package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"ctkeeper/internal/host/capture"
)

// captureIn is a capture being read: its next frame waits in it.
type captureIn struct {
	r     *capture.Reader
	frame capture.Frame
	at    int64
	order int
}

// readAll plays the captures, by the times of their frames; the first fault of one ends that one, not the others.
func (p *playback) readAll(cmd *cobra.Command, files []string) error {
	bar := newReplayProgress(p.app, files)
	defer bar.done()
	var faults []error
	var open []*captureIn
	for i, name := range captures(files) {
		r, err := capture.Open(name, p.app.in)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		in := &captureIn{r: r, order: i}
		if more, err := in.next(bar); more {
			open = append(open, in)
		} else {
			faults = append(faults, err)
		}
	}
	slices.SortStableFunc(open, (*captureIn).compare)
	for len(open) > 0 {
		in := open[0]
		until := int64(1<<63 - 1)
		if len(open) > 1 {
			until = open[1].at
		}
		more, err := p.readOne(cmd.Context(), in, until, bar)
		switch {
		case cmd.Context().Err() != nil:
			for _, in := range open {
				faults = append(faults, in.r.Close())
			}
			return errors.Join(append(faults, err)...)
		case more:
			place(open)
		default:
			faults = append(faults, err)
			open = open[1:]
		}
	}
	return errors.Join(faults...)
}

func (in *captureIn) compare(other *captureIn) int {
	return cmp.Or(cmp.Compare(in.at, other.at), cmp.Compare(in.order, other.order))
}

// place moves the first to where its next frame belongs.
func place(open []*captureIn) {
	for i := 1; i < len(open) && open[i-1].compare(open[i]) > 0; i++ {
		open[i-1], open[i] = open[i], open[i-1]
	}
}

// next reads the next frame; without one the file is closed, and the error says why it ended too soon.
func (in *captureIn) next(bar *replayProgress) (more bool, err error) {
	if in.frame, err = in.r.Next(); err == nil {
		in.at = in.frame.Time.UnixNano()
		return true, nil
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	bar.next(in.r.InputRead())
	return false, errors.Join(err, in.r.Close())
}

// readOne plays the frames of one capture up to a time.
func (p *playback) readOne(ctx context.Context, in *captureIn, until int64, bar *replayProgress) (more bool, err error) {
	for more = true; more && in.at <= until; more, err = in.next(bar) {
		if err := p.frameIn(ctx, &in.frame, in.at); err != nil {
			return false, errors.Join(err, in.r.Close())
		}
		if p.packets&0x3fff == 0 {
			if err := ctx.Err(); err != nil {
				return true, err
			}
			bar.show(p.packets, in.r.InputRead())
		}
	}
	return more, err
}

// frameIn plays one captured frame, after what comes from elsewhere before it.
func (p *playback) frameIn(ctx context.Context, frame *capture.Frame, at int64) error {
	if !p.mixing {
		p.startMixed(at)
	}
	if err := p.playMixed(ctx, at); err != nil {
		return err
	}
	return p.packet(frame, at)
}
