// Package confine takes away from the running process what it will not need any more: capabilities, files,
// ports and programs, system calls. What remains is told by Rules.
//
//	outside, parts := confine.Apply(confine.Rules{Namespaces: true, Write: []string{"/var/lib/ctkeeper"}})
//	for _, p := range parts { … } // each of the kernel's means, and why it is not in force
//
// All threads are confined, those to come too, and nothing brings back what was given up. One exception is
// made: Landlock forbids looking at the namespaces of processes outside its domain, so that with
// Rules.Namespaces one thread stays out of Landlock (not of the rest) and runs what it is handed, see
// [Outside]. A kernel that lacks a means is reported and the others are used. It works in programs built
// without cgo only, as ctkeeper is: the runtime cannot reach the threads of others.
package confine

import (
	"errors"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Rules are what the process may still do. The zero value reads the kernel's files and the table of its own
// namespace, and nothing else.
type Rules struct {
	// Namespaces: look for other network namespaces and enter them (CAP_SYS_ADMIN, CAP_SYS_PTRACE).
	Namespaces bool
	// Foreign: read and write files whatever their owner and mode say (CAP_DAC_OVERRIDE).
	Foreign bool
	// Read are files and directories that may be read beside those of the system.
	Read []string
	// Write are directories whose files may be made, changed and removed.
	Write []string
	// Sockets are directories in which a unix socket may be made and removed.
	Sockets []string
	// Execute are programs that may be started; what they do is confined as well.
	Execute []string
	// Bind and Connect are the TCP ports that may be listened on and connected to.
	Bind, Connect []uint16
	// Abstract: connect to abstract unix sockets of others.
	Abstract bool
}

// lowPort is where ports begin that anybody may bind to.
const lowPort = 1024

// lowPorts reports whether a port below 1024 is to be bound to (CAP_NET_BIND_SERVICE).
func (r Rules) lowPorts() bool {
	return slices.ContainsFunc(r.Bind, func(p uint16) bool { return p > 0 && p < lowPort })
}

// Covers reports whether everything that other allows is allowed here too.
func (r Rules) Covers(other Rules) bool {
	return (r.Namespaces || !other.Namespaces) && (r.Foreign || !other.Foreign) && (r.Abstract || !other.Abstract) &&
		(r.lowPorts() || !other.lowPorts()) && within(other.Read, append(r.Read, r.Write...)) && within(other.Write, r.Write) &&
		within(other.Sockets, r.Sockets) && within(other.Execute, r.Execute) && within(other.Bind, r.Bind) && within(other.Connect, r.Connect)
}

func within[T comparable](some, all []T) bool {
	return !slices.ContainsFunc(some, func(v T) bool { return !slices.Contains(all, v) })
}

// Part is one of the kernel's means.
type Part struct {
	Name string
	// Err tells why it is not in force; nil where it is.
	Err error
}

// Names of the parts.
const (
	NoNewPrivileges = "no_new_privs"
	Landlock        = "landlock"
	Capabilities    = "capabilities"
	Seccomp         = "seccomp"
)

// Apply confines the process. It is called once. Without no_new_privs nothing else is tried, or returned.
func Apply(r Rules) (*Outside, []Part) {
	parts := []Part{{Name: NoNewPrivileges}, {Name: Landlock}, {Name: Capabilities}, {Name: Seccomp}}
	if parts[0].Err = allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); parts[0].Err != nil {
		return nil, parts[:1] // the others stand on it
	}
	var out *Outside
	if r.Namespaces {
		out, parts[1].Err = newOutside()
	}
	if parts[1].Err == nil {
		parts[1].Err = restrictFiles(r)
	}
	parts[2].Err = dropCapabilities(r)
	parts[3].Err = filterCalls(r)
	return out, parts
}

// allThreads makes a system call on every thread.
func allThreads(call, a, b, c uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(call, a, b, c, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return errors.New("built with cgo: CGO_ENABLED=0 makes a program that can be confined")
	}
	return errno
}
