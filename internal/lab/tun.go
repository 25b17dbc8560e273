package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// OpenTUN makes a TUN interface in a namespace and brings it up. What is written to the file is received
// by the namespace as a packet, synchronously; what the namespace sends there can be read from it. The
// interface goes with the file.
func OpenTUN(ns *Namespace, name string) (*os.File, error) {
	var file *os.File
	err := ns.Run(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(req))); errno != 0 {
			return errors.Join(fmt.Errorf("make TUN %s: %w", name, errno), unix.Close(fd))
		}
		file = os.NewFile(uintptr(fd), name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := LinkUp(ns, name); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// AddLocalRoute makes every address of a prefix one of the namespace's own, so that packets to it are
// delivered there.
func AddLocalRoute(ns *Namespace, dst netip.Prefix) error {
	lo, err := linkIndex(ns, "lo")
	if err != nil {
		return err
	}
	head := make([]byte, unix.SizeofRtMsg)
	head[0], head[1] = family(dst.Addr()), byte(dst.Bits())
	head[4], head[5], head[6], head[7] = unix.RT_TABLE_LOCAL, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL
	_, err = request(ns, unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, head, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.RTA_DST, dst.Addr().AsSlice())
		ae.Uint32(unix.RTA_OIF, uint32(lo))
	})
	if err != nil {
		return fmt.Errorf("make %s local: %w", dst, err)
	}
	return nil
}
