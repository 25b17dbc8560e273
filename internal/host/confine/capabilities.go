package confine

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept are the capabilities that rules need. CAP_NET_ADMIN reads the table, CAP_SYSLOG the kernel's log.
func (r Rules) kept() uint64 {
	set := uint64(1)<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYSLOG
	if r.Namespaces {
		set |= 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYS_PTRACE
	}
	if r.Foreign {
		set |= 1 << unix.CAP_DAC_OVERRIDE
	}
	if r.lowPorts() {
		set |= 1 << unix.CAP_NET_BIND_SERVICE
	}
	return set
}

// dropCapabilities gives up all that is not kept. No program started later gets more: no_new_privs is set, and
// nothing is handed on. Where no more is held than kept, as in the unit, capset is not needed, nor its being allowed.
func dropCapabilities(r Rules) error {
	if err := allThreads(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	keep, more := r.kept(), false
	for i := range data {
		kept := data[i].Permitted & uint32(keep>>(32*i))
		more = more || kept != data[i].Permitted
		data[i] = unix.CapUserData{Permitted: kept, Effective: kept}
	}
	if !more {
		return nil
	}
	err := allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&header)
	runtime.KeepAlive(&data)
	return err
}
