package ctnetlink

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// bufferSize is the largest answer that the kernel makes for a dump; more buys nothing.
const bufferSize = 32 << 10

// Options of a connection. The zero value is the default.
type Options struct {
	// Buckets reads the present number of hash buckets, by which a dump tells that the table was
	// resized under it. The default reads /proc/sys/net/netfilter/nf_conntrack_buckets, and watches who
	// writes it.
	Buckets func() (uint64, error)
}

// Conn is a connection to ctnetlink in one network namespace. One call at a time works; others wait.
type Conn struct {
	mu      sync.Mutex
	sock    *socket                // nil when closed
	buckets func() (uint64, error) // nil: the kernel's
	filled  func()                 // called after each answer of the kernel, before it is read; may be nil
	seq     uint32
	buf     []byte
	out     []byte
	dec     decoder
}

// Dial opens a connection in the network namespace of the calling thread.
func Dial(o Options) (*Conn, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	return &Conn{sock: s, buckets: o.Buckets, buf: make([]byte, bufferSize)}, nil
}

// Close ends the connection.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sock == nil {
		return ErrClosed
	}
	c.sock.close()
	c.sock = nil
	return nil
}

// abandon leaves a dump in its middle. When the socket cannot be replaced the connection is closed.
func (c *Conn) abandon() {
	fresh, err := c.sock.reopen()
	c.sock.close()
	c.sock = nil
	if err == nil {
		c.sock = fresh
	}
}

// ask sends one request, made by fill after the header, and calls take for each answer's header and
// message. It returns when the kernel says that it is done. An error from take, or the context's end,
// leaves the rest unread.
func (c *Conn) ask(ctx context.Context, op string, typ, flags uint16, family, version uint8, fill func([]byte) []byte, take func(header, []byte) error) error {
	if c.sock == nil {
		return ErrClosed
	}
	c.seq++
	b := begin(c.out[:0], typ, unix.NLM_F_REQUEST|flags, c.seq, family, version)
	if fill != nil {
		b = fill(b)
	}
	c.out = finish(b, 0)
	if err := c.sock.send(c.out); err != nil {
		return &Error{Op: op, Errno: errnoOf(err)}
	}
	for {
		n, err := c.sock.recv(ctx, c.buf)
		if err != nil {
			c.abandon()
			return recvError(op, err)
		}
		if c.filled != nil {
			c.filled()
		}
		done, err := c.messages(op, c.buf[:n], take)
		if err != nil {
			var kernel *Error
			if !errors.As(err, &kernel) || !done {
				c.abandon()
			}
			return err
		}
		if done {
			return nil
		}
	}
}

func recvError(op string, err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return &Error{Op: op, Errno: errno}
	}
	return err
}

// messages walks one buffer. done is set when the kernel has nothing more to say.
func (c *Conn) messages(op string, b []byte, take func(header, []byte) error) (done bool, err error) {
	for len(b) >= headerLen {
		h := parseHeader(b)
		if h.len < headerLen || h.len > len(b) {
			return false, &DecodeError{What: "message length"}
		}
		msg := b[:h.len]
		b = b[min(align4(h.len), len(b)):]
		if h.seq != c.seq {
			continue // an answer to something that was given up
		}
		switch h.typ {
		case unix.NLMSG_NOOP:
		case unix.NLMSG_ERROR, unix.NLMSG_DONE:
			return true, answerError(op, msg)
		case unix.NLMSG_OVERRUN:
			return false, &Error{Op: op, Errno: unix.ENOBUFS}
		default:
			if err := take(h, msg); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// answerError is the error in an NLMSG_ERROR or NLMSG_DONE; zero there means success.
func answerError(op string, msg []byte) error {
	if len(msg) < headerLen+4 {
		return nil
	}
	if code := int32(native.Uint32(msg[headerLen:])); code < 0 {
		return &Error{Op: op, Errno: unix.Errno(-code)}
	}
	return nil
}
