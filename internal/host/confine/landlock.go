package confine

import (
	"debug/elf"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// system is what may always be read: the kernel's files, the system's configuration and logs, and where
// container runtimes keep the names of what they run. Homes, /root and /tmp are not among it.
func system() []string {
	return []string{"/proc", "/sys", "/etc", "/usr", "/lib", "/lib64", "/run", "/var/log", "/var/lib/docker/containers",
		"/var/lib/containers/storage", "/dev/kmsg", "/dev/null", "/dev/urandom"}
}

const (
	readFiles = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	makeFiles = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	makeSockets = unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
	// ofFiles are the rights that a rule about a single file may hold.
	ofFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	ruleNetPort = 2 // LANDLOCK_RULE_NET_PORT
)

// handled are the rights that a version of Landlock knows; what it knows and no rule allows is forbidden.
func handled(version int) unix.LandlockRulesetAttr {
	a := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}
	for _, later := range []struct {
		since int
		right uint64
	}{{2, unix.LANDLOCK_ACCESS_FS_REFER}, {3, unix.LANDLOCK_ACCESS_FS_TRUNCATE}, {5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}} {
		if version >= later.since {
			a.Handled_access_fs |= later.right
		}
	}
	if version >= 4 {
		a.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= 6 {
		a.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return a
}

// restrictFiles puts every thread under the rules, as far as the kernel's Landlock knows them.
func restrictFiles(r Rules) error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */)
	if errno != 0 {
		return fmt.Errorf("this kernel has no Landlock, or it is switched off (it came with 5.13): %w", errno)
	}
	a := handled(int(version))
	if r.Abstract {
		a.Scoped &^= unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a), 0)
	if errno != 0 {
		return fmt.Errorf("make a Landlock ruleset: %w", errno)
	}
	s := ruleset{fd: int(fd), has: a}
	err := s.fill(r)
	if err == nil {
		err = allThreads(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
	}
	return errors.Join(err, unix.Close(s.fd))
}

// ruleset is one that is being made.
type ruleset struct {
	fd  int
	has unix.LandlockRulesetAttr
}

func (s ruleset) fill(r Rules) error {
	var errs []error
	add := func(rights uint64, paths ...string) {
		for _, p := range paths {
			errs = append(errs, s.path(p, rights))
		}
	}
	add(readFiles, system()...)
	add(readFiles, r.Read...)
	add(unix.LANDLOCK_ACCESS_FS_WRITE_FILE, "/dev/null")
	add(readFiles|makeFiles, r.Write...)
	add(readFiles|makeSockets, r.Sockets...)
	for _, p := range r.Execute {
		add(readFiles|unix.LANDLOCK_ACCESS_FS_EXECUTE, append(interpreter(p), p)...)
	}
	for _, port := range r.Bind {
		errs = append(errs, s.port(port, unix.LANDLOCK_ACCESS_NET_BIND_TCP))
	}
	for _, port := range r.Connect {
		errs = append(errs, s.port(port, unix.LANDLOCK_ACCESS_NET_CONNECT_TCP))
	}
	return errors.Join(errs...)
}

// path allows rights on a file, or beneath a directory; one that is not there needs none.
func (s ruleset) path(name string, rights uint64) error {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= ofFiles
	}
	a := unix.LandlockPathBeneathAttr{Allowed_access: rights & s.has.Handled_access_fs, Parent_fd: int32(fd)}
	if err == nil {
		err = s.add(unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&a))
	}
	runtime.KeepAlive(&a)
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return fmt.Errorf("rule for %s: %w", name, err)
	}
	return nil
}

// netPort is struct landlock_net_port_attr.
type netPort struct{ access, port uint64 }

func (s ruleset) port(port uint16, right uint64) error {
	if s.has.Handled_access_net&right == 0 {
		return nil // before Landlock 4 every port is allowed
	}
	a := netPort{right, uint64(port)}
	err := s.add(ruleNetPort, unsafe.Pointer(&a))
	runtime.KeepAlive(&a)
	return err
}

func (s ruleset) add(kind uintptr, attr unsafe.Pointer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(s.fd), kind, uintptr(attr), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// interpreter is the program that loads a dynamic one, which the kernel starts in its place.
func interpreter(program string) []string {
	f, err := elf.Open(program)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > unix.PathMax {
			continue
		}
		name := make([]byte, p.Filesz)
		if _, err := p.ReadAt(name, 0); err != nil {
			return nil
		}
		return []string{strings.TrimRight(string(name), "\x00")}
	}
	return nil
}
