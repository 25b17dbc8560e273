package confine

import "golang.org/x/sys/unix"

const (
	arch = unix.AUDIT_ARCH_X86_64
	x32  = 0x40000000 // where the numbers of the x32 ABI begin
)

// allowedHere are the older forms of allowed calls, which other architectures never had.
func allowedHere() []uint32 {
	return []uint32{
		unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_GETDENTS,
		unix.SYS_MKDIR, unix.SYS_RMDIR, unix.SYS_UNLINK, unix.SYS_RENAME, unix.SYS_CHMOD, unix.SYS_DUP2, unix.SYS_PIPE, unix.SYS_POLL, unix.SYS_SELECT,
		unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_WAIT, unix.SYS_EVENTFD, unix.SYS_INOTIFY_INIT, unix.SYS_SIGNALFD, unix.SYS_ARCH_PRCTL, unix.SYS_GETPGRP,
		unix.SYS_GETRLIMIT, unix.SYS_TIME, unix.SYS_ALARM, unix.SYS_VFORK, unix.SYS_FORK, unix.SYS_UTIMES,
	}
}
