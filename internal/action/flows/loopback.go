package flows

import (
	"context"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/hostfs"
)

// noneProtected reports whether it is certain, without a look at the flows, that none that the filter selects is
// protected: each protection contradicts the filter, or is loopback's where there can be no flow of loopback.
func noneProtected(ctx context.Context, c *ctnetlink.Conn, o Options) bool {
	asked, none := false, false
	for _, p := range o.Protect {
		if filter.Disjoint(o.Filter, p) {
			continue
		}
		if !p.OfLoopback() {
			return false
		}
		if !asked {
			asked, none = true, noLoopback(ctx, c, hostfs.FS{})
		}
		if !none {
			return false
		}
	}
	return true
}

// noLoopback reports whether the calling thread's namespace can have no flow with a loopback address: its loopback
// device never carried a packet, no flow was put in by hand, and no other device may carry such addresses.
func noLoopback(ctx context.Context, c *ctnetlink.Conn, fs hostfs.FS) bool {
	if n, ok := loopbackPackets(fs); !ok || n != 0 {
		return false
	}
	cpus, err := c.CPUStats(ctx)
	// On kernels before 4.9 every new flow counts as inserted, so that the answer is no.
	if inserted, told := ctnetlink.Sum(cpus)["insert"]; err != nil || !told || inserted != 0 {
		return false
	}
	const devices = "/proc/sys/net/ipv4/conf"
	names, err := fs.List(devices)
	for _, name := range names {
		text, readErr := fs.ReadFile(devices+"/"+name+"/route_localnet", 16)
		if readErr != nil || strings.TrimSpace(string(text)) != "0" {
			return false
		}
	}
	return err == nil && len(names) > 0
}

// loopbackPackets is how many packets the loopback device has received and sent; ok is false when that is not told.
func loopbackPackets(fs hostfs.FS) (n uint64, ok bool) {
	text, err := fs.ReadFile("/proc/thread-self/net/dev", 1<<20)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(rest)
		if name != "lo" || len(fields) < 16 {
			continue
		}
		received, errIn := strconv.ParseUint(fields[1], 10, 64)
		sent, errOut := strconv.ParseUint(fields[9], 10, 64)
		return received + sent, errIn == nil && errOut == nil
	}
	return 0, false
}
