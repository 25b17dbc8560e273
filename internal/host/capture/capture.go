// Package capture reads traffic at rest: pcap and pcapng, plain or compressed with gzip or zstd, from a
// file or from standard input.
//
//	r, err := capture.Open("-", os.Stdin)
//	for { f, err := r.Next() … } // io.EOF at the end, *FaultError where the file breaks off
//
// A file that is cut or corrupt gives its frames up to the fault; the error names file and offset. What is
// in the frames is conntrack/packet's matter.
package capture

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"ctkeeper/internal/conntrack/packet"
)

// Frame is one captured frame. Data is valid until the next call.
type Frame struct {
	Time time.Time
	Link packet.Link
	Data []byte
	Full int // bytes that were on the wire
}

// FaultError is a capture that cannot be read on.
type FaultError struct {
	Name   string
	Offset int64 // in the uncompressed stream, of the record that is broken
	Err    error
}

// Error names the file and the place.
func (e *FaultError) Error() string {
	return fmt.Sprintf("%s: offset %d: %v", e.Name, e.Offset, e.Err)
}

// Unwrap returns what went wrong.
func (e *FaultError) Unwrap() error { return e.Err }

// Reader reads one capture.
type Reader struct {
	name   string
	count  *counter
	close  []func() error
	next   func() (Frame, error)
	begin  int64 // offset of the record being read
	rawIn  *counter
	step   int64 // bytes of the record just read
	failed error
}

// counter counts the bytes handed on.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

const maxFrame = 1 << 24

// Open opens a capture file; "-" reads stdin.
func Open(name string, stdin io.Reader) (*Reader, error) {
	if name == "-" {
		return NewReader("standard input", stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(name, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.close = append(r.close, f.Close)
	return r, nil
}

// NewReader reads a capture from in; name is for errors.
func NewReader(name string, in io.Reader) (*Reader, error) {
	r := &Reader{name: name, rawIn: &counter{r: in}}
	plain, err := r.decompress(bufio.NewReaderSize(r.rawIn, 1<<16))
	if err != nil {
		return nil, &FaultError{Name: name, Err: err}
	}
	r.count = &counter{r: plain}
	buf := bufio.NewReaderSize(r.count, 1<<16)
	magic, err := buf.Peek(4)
	if err != nil {
		return nil, r.fault(0, unexpected(err))
	}
	if err := r.start(buf, binary.LittleEndian.Uint32(magic)); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Reader) decompress(in *bufio.Reader) (io.Reader, error) {
	magic, err := in.Peek(4)
	switch {
	case err != nil:
		return in, nil // too short for anything; the caller says so
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return gzip.NewReader(in)
	case binary.LittleEndian.Uint32(magic) == 0xfd2fb528:
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<28))
		if err != nil {
			return nil, err
		}
		r.close = append(r.close, func() error { z.Close(); return nil })
		return z, nil
	}
	return in, nil
}

func (r *Reader) start(buf *bufio.Reader, magic uint32) error {
	switch magic {
	case 0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34:
		return r.startClassic(buf, binary.LittleEndian, magic == 0xa1b23c4d, magic == 0xa1b2cd34)
	case 0xd4c3b2a1, 0x4d3cb2a1, 0x34cdb2a1:
		return r.startClassic(buf, binary.BigEndian, magic == 0x4d3cb2a1, magic == 0x34cdb2a1)
	case 0x0a0d0d0a:
		return r.startNG(buf)
	}
	return r.fault(0, fmt.Errorf("no capture: unknown magic number %#08x", magic))
}

// startClassic reads pcap. Records may say more than the file's snap length: real files have such.
func (r *Reader) startClassic(buf *bufio.Reader, order binary.ByteOrder, nano, modified bool) error {
	var head [24]byte
	if _, err := io.ReadFull(buf, head[:]); err != nil {
		return r.fault(0, unexpected(err))
	}
	link := packet.Link(order.Uint32(head[20:]) & 0xffff)
	r.begin = 24
	size := 16
	if modified {
		size = 24
	}
	rec, data := make([]byte, size), []byte(nil)
	r.next = func() (Frame, error) {
		if _, err := io.ReadFull(buf, rec); err != nil {
			if errors.Is(err, io.EOF) {
				return Frame{}, io.EOF
			}
			return Frame{}, unexpected(err)
		}
		n := order.Uint32(rec[8:])
		if n > maxFrame {
			return Frame{}, fmt.Errorf("a record of %d bytes", n)
		}
		if int(n) > cap(data) {
			data = make([]byte, max(int(n), 2048))
		}
		data = data[:n]
		if _, err := io.ReadFull(buf, data); err != nil {
			return Frame{}, unexpected(err)
		}
		r.step = int64(size) + int64(n)
		frac := int64(order.Uint32(rec[4:]))
		if !nano {
			frac *= 1000
		}
		return Frame{Time: time.Unix(int64(order.Uint32(rec)), frac), Link: link, Data: data, Full: int(order.Uint32(rec[12:]))}, nil
	}
	return nil
}

// Next returns the next frame, io.EOF after the last, or a *FaultError.
func (r *Reader) Next() (f Frame, err error) {
	if r.failed != nil {
		return Frame{}, r.failed
	}
	f, err = r.next()
	switch {
	case err == nil:
		r.begin += r.step
		return f, nil
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		r.failed = io.EOF
	default:
		r.failed = r.fault(r.begin, err)
	}
	return Frame{}, r.failed
}

// InputRead is how many bytes of the input, compressed as it is, were read: for progress.
func (r *Reader) InputRead() int64 { return r.rawIn.n }

// Close closes the file, if Open opened one.
func (r *Reader) Close() error {
	var err error
	for _, c := range r.close {
		err = errors.Join(err, c())
	}
	r.close = nil
	return err
}

func (r *Reader) fault(at int64, err error) error {
	return &FaultError{Name: r.name, Offset: at, Err: err}
}

// unexpected makes the end of the file in the middle of something an error of its own.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut short: %w", io.ErrUnexpectedEOF)
	}
	return err
}
