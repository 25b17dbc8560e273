package oracle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

var native = binary.NativeEndian

// errRefused is what a TUN device answers to bytes that are no IP packet.
var errRefused = unix.EINVAL

// NFLOG groups: log_invalid's reports and those of the rules.
const (
	invalidGroup = 0
	verdictGroup = 5
)

// Messages and attributes of nfnetlink_log.
const (
	ulogPacket    = unix.NFNL_SUBSYS_ULOG << 8
	ulogConfig    = unix.NFNL_SUBSYS_ULOG<<8 | 1
	attrPayload   = 9
	attrPrefix    = 10
	cfgCmd        = 1
	cfgMode       = 2
	cfgQThreshold = 5
	cmdBind       = 1
	copyPacket    = 2
	copyBytes     = 40
)

// logReader reads NFLOG messages.
type logReader struct {
	fd  int
	buf []byte
}

func openLog() (*logReader, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open NFLOG: %w", err)
	}
	l := &logReader{fd: fd, buf: make([]byte, 1<<16)}
	if err := l.configure(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *logReader) close() error { return unix.Close(l.fd) }

func (l *logReader) configure() error {
	if err := unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20); err != nil {
		return err
	}
	if err := unix.Bind(l.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	mode := []byte{0, 0, 0, copyBytes, copyPacket, 0}
	for _, group := range []uint16{invalidGroup, verdictGroup} {
		for _, a := range [][]byte{attr(cfgCmd, []byte{cmdBind}), attr(cfgMode, mode), attr(cfgQThreshold, []byte{0, 0, 0, 1})} {
			if err := l.command(group, a); err != nil {
				return fmt.Errorf("configure NFLOG group %d: %w", group, err)
			}
		}
	}
	return nil
}

// attr encodes one netlink attribute, padded.
func attr(kind uint16, data []byte) []byte {
	b := make([]byte, (4+len(data)+3)&^3)
	native.PutUint16(b, uint16(4+len(data)))
	native.PutUint16(b[2:], kind)
	copy(b[4:], data)
	return b
}

// command sends one configuration message and waits for its acknowledgement.
func (l *logReader) command(group uint16, payload []byte) error {
	b := make([]byte, unix.SizeofNlMsghdr+4, unix.SizeofNlMsghdr+4+len(payload))
	b = append(b, payload...)
	native.PutUint32(b, uint32(len(b)))
	native.PutUint16(b[4:], ulogConfig)
	native.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	binary.BigEndian.PutUint16(b[unix.SizeofNlMsghdr+2:], group)
	if err := unix.Sendto(l.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	n, err := unix.Read(l.fd, l.buf)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 || native.Uint16(l.buf[4:]) != unix.NLMSG_ERROR {
		return errors.New("no acknowledgement")
	}
	if code := int32(native.Uint32(l.buf[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

// drain reads what has been logged so far: writing to TUN is synchronous, so it is all there.
func (l *logReader) drain(reports []Report) error {
	for {
		n, _, err := unix.Recvfrom(l.fd, l.buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read NFLOG: %w", err)
		}
		for b := l.buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
			size := int(native.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				return fmt.Errorf("NFLOG message of %d bytes in %d", size, len(b))
			}
			if native.Uint16(b[4:]) == ulogPacket {
				if err := take(b[unix.SizeofNlMsghdr:size], reports); err != nil {
					return err
				}
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}

// take enters one message into the report of its packet.
func take(body []byte, reports []Report) error {
	if len(body) < 4 {
		return errors.New("short NFLOG message")
	}
	group := binary.BigEndian.Uint16(body[2:])
	var prefix string
	n := -1
	for b := body[4:]; len(b) >= 4; {
		size := int(native.Uint16(b))
		if size < 4 || size > len(b) {
			return errors.New("broken NFLOG attribute")
		}
		switch native.Uint16(b[2:]) & 0x3fff {
		case attrPrefix:
			prefix = strings.TrimRight(string(b[4:size]), "\x00 ")
		case attrPayload:
			n = stampOf(b[4:size])
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	if n < 0 || n >= len(reports) {
		return fmt.Errorf("NFLOG report %q names packet %d of %d", prefix, n, len(reports))
	}
	if group == invalidGroup {
		reports[n].Reason = prefix
		return nil
	}
	for _, v := range verdicts {
		if v.prefix == prefix {
			reports[n].Result, reports[n].Reply = v.report.Result, v.report.Reply
			return nil
		}
	}
	return fmt.Errorf("NFLOG prefix %q is not ours", prefix)
}

// Stamp writes a packet's number where tracking does not look: the IPv4 identification (the header's
// checksum is mended) or the IPv6 flow label.
func Stamp(packet []byte, n int) {
	if len(packet) >= 20 && packet[0]>>4 == 4 {
		old := binary.BigEndian.Uint16(packet[4:])
		sum := uint32(^binary.BigEndian.Uint16(packet[10:])) + uint32(^old) + uint32(uint16(n))
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		binary.BigEndian.PutUint16(packet[4:], uint16(n))
		binary.BigEndian.PutUint16(packet[10:], ^uint16(sum))
	} else if len(packet) >= 40 && packet[0]>>4 == 6 {
		packet[1] = packet[1]&0xf0 | byte(n>>16)&0xf
		binary.BigEndian.PutUint16(packet[2:], uint16(n))
	}
}

func stampOf(packet []byte) int {
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		return int(binary.BigEndian.Uint16(packet[4:]))
	case len(packet) >= 4 && packet[0]>>4 == 6:
		return int(packet[1]&0xf)<<16 | int(binary.BigEndian.Uint16(packet[2:]))
	}
	return -1
}
