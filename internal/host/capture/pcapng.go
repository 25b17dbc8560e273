package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"

	"ctkeeper/internal/conntrack/packet"
)

// The blocks of a pcapng file that matter here (draft-ietf-opsawg-pcapng); all others are passed over.
const (
	blockSection        = 0x0a0d0d0a
	blockInterface      = 1
	blockPacket         = 2 // obsolete, still found in old files
	blockSimplePacket   = 3
	blockEnhancedPacket = 6

	orderMark = 0x1a2b3c4d

	optionEnd          = 0
	optionTSResolution = 9
	optionTSOffset     = 14
)

// maxInterfaces bounds what a hostile file makes a reader remember of one section.
const maxInterfaces = 1 << 16

// ng reads the blocks of a pcapng file.
type ng struct {
	r          *Reader
	in         *bufio.Reader
	order      binary.ByteOrder
	interfaces []ngInterface // of the present section
	body       []byte        // of the block at hand
	size       int64         // of the block at hand, all of it
}

// ngInterface is where frames were captured.
type ngInterface struct {
	link   packet.Link
	snap   uint32 // 0: no limit
	clock  ngClock
	offset int64 // seconds to add to each time
}

// startNG reads the header of the first section.
func (r *Reader) startNG(in *bufio.Reader) error {
	n := &ng{r: r, in: in, order: binary.LittleEndian}
	if _, err := n.block(); err != nil {
		return r.fault(0, unexpected(err))
	}
	r.begin = n.size
	r.next = n.next
	return nil
}

// next reads blocks up to one with a frame.
func (n *ng) next() (Frame, error) {
	for {
		n.r.step = 0
		typ, err := n.block()
		if err != nil {
			return Frame{}, err
		}
		f, ok, err := n.frame(typ)
		if err != nil {
			return Frame{}, err
		}
		if ok {
			n.r.step = n.size
			return f, nil
		}
		n.r.begin += n.size
	}
}

// block reads a block, and takes in what sections and interfaces say. At the end of the file it returns io.EOF.
func (n *ng) block() (typ uint32, err error) {
	var head [12]byte // a section's byte order is in its body
	if _, err := io.ReadFull(n.in, head[:8]); err != nil {
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, io.EOF
		}
		return 0, unexpected(err)
	}
	typ = n.order.Uint32(head[:])
	if typ == blockSection {
		if err := n.section(head[8:]); err != nil {
			return 0, err
		}
	}
	n.size = int64(n.order.Uint32(head[4:]))
	if n.size < 12 || n.size%4 != 0 {
		return 0, fmt.Errorf("a block of %d bytes", n.size)
	}
	if err := n.readBody(typ); err != nil {
		return 0, err
	}
	if typ == blockInterface {
		return typ, n.addInterface()
	}
	return typ, nil
}

// section begins a section, by the first word of its body.
func (n *ng) section(mark []byte) error {
	if _, err := io.ReadFull(n.in, mark); err != nil {
		return unexpected(err)
	}
	n.interfaces = n.interfaces[:0]
	switch binary.LittleEndian.Uint32(mark) {
	case orderMark:
		n.order = binary.LittleEndian
	case bits.ReverseBytes32(orderMark):
		n.order = binary.BigEndian
	default:
		return fmt.Errorf("a section whose byte order is marked %x", mark)
	}
	return nil
}

// readBody reads a block's body, if anything in it matters, and checks that its size stands at its end too.
func (n *ng) readBody(typ uint32) error {
	left := int(n.size - 12)
	n.body = n.body[:0]
	switch typ {
	case blockSection:
		if left -= 4; left < 12 { // its mark was read
			return fmt.Errorf("a section of %d bytes", n.size)
		}
		version, err := n.in.Peek(2)
		if err != nil {
			return unexpected(err)
		}
		if major := n.order.Uint16(version); major != 1 {
			return fmt.Errorf("version %d of the format is not known", major)
		}
	case blockInterface, blockPacket, blockSimplePacket, blockEnhancedPacket:
		if left > maxFrame {
			return fmt.Errorf("a block of %d bytes", n.size)
		}
		if cap(n.body) < left {
			n.body = make([]byte, max(left, 2048))
		}
		n.body = n.body[:left]
		if _, err := io.ReadFull(n.in, n.body); err != nil {
			return unexpected(err)
		}
		left = 0
	}
	if _, err := n.in.Discard(left); err != nil {
		return unexpected(err)
	}
	var tail [4]byte
	if _, err := io.ReadFull(n.in, tail[:]); err != nil {
		return unexpected(err)
	}
	if again := int64(n.order.Uint32(tail[:])); again != n.size {
		return fmt.Errorf("a block of %d bytes that ends with %d", n.size, again)
	}
	return nil
}

func (n *ng) addInterface() error {
	if len(n.body) < 8 {
		return fmt.Errorf("an interface of %d bytes", n.size)
	}
	if len(n.interfaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces in a section", maxInterfaces)
	}
	f := ngInterface{link: packet.Link(n.order.Uint16(n.body)), snap: n.order.Uint32(n.body[4:]), clock: microseconds}
	for b := n.body[8:]; len(b) >= 4; {
		code, size := n.order.Uint16(b), int(n.order.Uint16(b[2:]))
		padded := 4 + (size+3)&^3
		if code == optionEnd {
			break
		}
		if padded > len(b) {
			return fmt.Errorf("an interface's option of %d bytes", size)
		}
		switch v := b[4 : 4+size]; {
		case code == optionTSResolution && size == 1:
			f.clock = ngClock(v[0])
		case code == optionTSOffset && size == 8:
			f.offset = int64(n.order.Uint64(v))
		}
		b = b[padded:]
	}
	n.interfaces = append(n.interfaces, f)
	return nil
}

// frame is the frame in the block at hand, if it has one.
func (n *ng) frame(typ uint32) (f Frame, ok bool, err error) {
	switch typ {
	case blockEnhancedPacket:
		return n.timed(20, func(b []byte) uint32 { return n.order.Uint32(b) })
	case blockPacket:
		return n.timed(20, func(b []byte) uint32 { return uint32(n.order.Uint16(b)) })
	case blockSimplePacket:
		f, err = n.simple()
		return f, true, err
	}
	return Frame{}, false, nil
}

// timed reads a packet block: interface, time in two halves, captured and original length, data.
func (n *ng) timed(head int, on func([]byte) uint32) (Frame, bool, error) {
	if len(n.body) < head {
		return Frame{}, false, fmt.Errorf("a packet block of %d bytes", n.size)
	}
	number := on(n.body)
	if uint64(number) >= uint64(len(n.interfaces)) {
		return Frame{}, false, fmt.Errorf("a packet of interface %d of %d", number, len(n.interfaces))
	}
	at, captured := &n.interfaces[number], n.order.Uint32(n.body[12:])
	if uint64(captured) > uint64(len(n.body)-head) {
		return Frame{}, false, fmt.Errorf("a packet of %d bytes in a block of %d", captured, n.size)
	}
	ticks := uint64(n.order.Uint32(n.body[4:]))<<32 | uint64(n.order.Uint32(n.body[8:]))
	sec, nsec := at.clock.time(ticks)
	return Frame{Time: time.Unix(sec+at.offset, nsec), Link: at.link, Data: n.body[head : head+int(captured)], Full: int(n.order.Uint32(n.body[16:]))}, true, nil
}

// simple reads a packet block that has no time, of the section's first interface.
func (n *ng) simple() (Frame, error) {
	if len(n.body) < 4 || len(n.interfaces) == 0 {
		return Frame{}, fmt.Errorf("a simple packet block of %d bytes, %d interfaces before it", n.size, len(n.interfaces))
	}
	full, at := n.order.Uint32(n.body), &n.interfaces[0]
	captured := full
	if at.snap > 0 {
		captured = min(captured, at.snap)
	}
	if uint64(captured) > uint64(len(n.body)-4) {
		return Frame{}, fmt.Errorf("a packet of %d bytes in a block of %d", captured, n.size)
	}
	return Frame{Link: at.link, Data: n.body[4 : 4+captured], Full: int(full)}, nil
}
