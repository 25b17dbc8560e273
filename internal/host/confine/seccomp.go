//go:build amd64 || arm64

package confine

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newNamespaces are the flags by which clone makes namespaces.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWCGROUP

// refused answers a call that is not allowed as a kernel would that does not have it: who can do without goes on.
const refused = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)

// denied answers a call that is allowed with other arguments.
const denied = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)

// filter allows the calls of the list, some of them with certain arguments alone.
func filter(r Rules) program {
	p := program{
		load(offsetArch), when(arch, 1), answer(refused),
		load(offsetNumber), below(x32, 1), answer(refused),
	}
	p = append(p, never(unix.SYS_SOCKET, 2, unix.IPPROTO_MPTCP)...) // whose ports Landlock does not see
	p = append(p, only(unix.SYS_SOCKET, 0, ^uint32(0), unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK)...)
	p = append(p, only(unix.SYS_CLONE, 0, newNamespaces, 0)...)
	// No memory that can be written and run.
	for _, call := range []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT} {
		p = append(p, only(call, 2, unix.PROT_WRITE|unix.PROT_EXEC, 0, unix.PROT_WRITE, unix.PROT_EXEC)...)
	}
	if r.Namespaces {
		p = append(p, only(unix.SYS_SETNS, 1, ^uint32(0), unix.CLONE_NEWNET)...)
	}
	for _, call := range append(allowed(), allowedHere()...) {
		p = append(p, unless(call, 1), answer(unix.SECCOMP_RET_ALLOW))
	}
	return append(p, answer(refused))
}

// only allows a call when the masked argument is one of the values, denies it with others, and goes on with the
// number loaded for other calls.
func only(call, arg, bits uint32, values ...uint32) program {
	inner := program{argument(arg), mask(bits)}
	for _, v := range values {
		inner = append(inner, unless(v, 1), answer(unix.SECCOMP_RET_ALLOW))
	}
	inner = append(inner, answer(denied))
	return append(program{unless(call, uint8(len(inner)))}, inner...)
}

// never denies a call when the argument is the value, and leaves the number loaded otherwise.
func never(call, arg, value uint32) program {
	return program{unless(call, 4), argument(arg), unless(value, 1), answer(denied), load(offsetNumber)}
}

// filterCalls puts every thread under the filter.
func filterCalls(r Rules) error {
	p := filter(r)
	prog := p.kernel()
	err := allThreads(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(p)
	return err
}
