// Victim confines itself as the test tells it, tries what it may and what it must not, and prints what came of
// each: a line with its name, then "done" or the error.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/host/confine"
)

func main() {
	var r confine.Rules
	if err := json.Unmarshal([]byte(os.Args[1]), &r); err != nil {
		panic(err)
	}
	before := make(chan func()) // a thread that is there before the confinement
	go func() {
		runtime.LockOSThread()
		for fn := range before {
			fn()
		}
	}()
	parent := os.Args[3]
	dir := os.Args[2]
	out, parts := confine.Apply(r)
	for _, p := range parts {
		say("part "+p.Name, p.Err)
	}
	for name, try := range tries(dir, parent, out) {
		say(name, try())
	}
	for name, run := range map[string]func(func()){"old thread": func(fn func()) {
		done := make(chan bool)
		before <- func() { fn(); close(done) }
		<-done
	}, "new thread": onNewThreads} {
		run(func() {
			say(name+" writes elsewhere", os.WriteFile(filepath.Join(dir, "elsewhere", name), nil, 0o600))
			say(name+" makes a packet socket", packetSocket())
		})
	}
}

func say(name string, err error) {
	if err == nil {
		fmt.Printf("%s: done\n", name)
		return
	}
	fmt.Printf("%s: %v\n", name, err)
}

// onNewThreads runs fn on the last of many threads that are made now.
func onNewThreads(fn func()) {
	var wg sync.WaitGroup
	stay := make(chan bool)
	for range 20 {
		wg.Add(1)
		go func() { runtime.LockOSThread(); wg.Done(); <-stay }()
	}
	wg.Wait()
	done := make(chan bool)
	go func() { runtime.LockOSThread(); fn(); close(done) }()
	<-done
	close(stay)
}

func tries(dir, parent string, out *confine.Outside) map[string]func() error {
	write := func(path string) func() error { return func() error { return os.WriteFile(path, []byte("x"), 0o600) } }
	read := func(path string) func() error { return func() error { _, err := os.ReadFile(path); return err } }
	look := func() error { _, err := os.Readlink("/proc/" + parent + "/ns/net"); return err }
	return map[string]func() error{
		"write where it may":    write(filepath.Join(dir, "state", "a")),
		"rename where it may":   func() error { return os.Rename(filepath.Join(dir, "state", "old"), filepath.Join(dir, "state", "new")) },
		"write elsewhere":       write(filepath.Join(dir, "elsewhere", "a")),
		"write a setting":       write("/proc/sys/net/netfilter/nf_conntrack_log_invalid"),
		"write below /etc":      write("/etc/ctkeeper-victim"),
		"read where it may":     read(filepath.Join(dir, "config", "c")),
		"read the system's":     read("/proc/self/status"),
		"read elsewhere":        read(filepath.Join(dir, "elsewhere", "secret")),
		"read the kernel's log": readLog,
		"start a program":       func() error { return exec.Command("/bin/echo").Run() },
		"start another program": func() error { return exec.Command("/bin/true").Run() },
		"look at namespaces":    look,
		"look at namespaces outside": func() (err error) {
			out.Do(func() { err = look() })
			return err
		},
		"write outside": func() (err error) {
			out.Do(func() { _, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0) })
			return err
		},
		"enter a namespace":     func() error { return enter(parent, unix.CLONE_NEWNET, out) },
		"enter a mount space":   func() error { return enter(parent, unix.CLONE_NEWNS, out) },
		"make a namespace":      func() error { return unix.Unshare(unix.CLONE_NEWNET) },
		"make a packet socket":  packetSocket,
		"mount":                 func() error { return unix.Mount("none", dir, "tmpfs", 0, "") },
		"trace the parent":      func() error { return unix.PtraceAttach(atoi(parent)) },
		"signal the parent":     func() error { return unix.Kill(atoi(parent), 0) },
		"signal itself":         func() error { return unix.Kill(os.Getpid(), 0) },
		"write and run memory":  func() error { return writeAndRun() },
		"load a program":        func() error { _, _, e := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return errno(e) },
		"listen where it may":   func() error { return listen("127.0.0.1:0") },
		"listen elsewhere":      func() error { return listen("127.0.0.1:28999") },
		"connect where it may":  func() error { return connect(7) },
		"connect elsewhere":     func() error { return connect(11) },
		"keep other privileges": capabilities,
	}
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }

func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

func readLog() error {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func enter(pid string, kind int, out *confine.Outside) (err error) {
	name := "/ns/net"
	if kind == unix.CLONE_NEWNS {
		name = "/ns/mnt"
	}
	var fd int
	out.Do(func() { fd, err = unix.Open("/proc/"+pid+name, unix.O_RDONLY, 0) })
	if err != nil {
		return err
	}
	done := make(chan error)
	go func() { runtime.LockOSThread(); done <- unix.Setns(fd, kind) }()
	return errors.Join(<-done, unix.Close(fd))
}

func packetSocket() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

func writeAndRun() error {
	b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC)
}

func listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err == nil {
		err = l.Close()
	}
	return err
}

// connect tells whether the kernel refused or nobody listened, which is all right.
func connect(port int) error {
	_, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	return err
}

// capabilities prints what is held as its error.
func capabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if _, _, e := unix.Syscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0); e != 0 {
		return e
	}
	return fmt.Errorf("%x %x %x", data[0].Permitted, data[0].Effective, data[1].Permitted)
}
