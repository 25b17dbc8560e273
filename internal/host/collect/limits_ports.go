package collect

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
)

const (
	// mostPairs bounds how many (source, destination) pairs are counted; what comes later is left out.
	mostPairs = 65536
	// worstPairs is how many are kept.
	worstPairs = 5
	// leastPorts keeps pairs that use few ports out of the snapshot.
	leastPorts = 100
	// tcpListen is the state of a listening socket in /proc/net/tcp.
	tcpListen = "0A"
)

// pair is one source address towards one destination.
type pair struct {
	src netip.Addr
	dst netip.AddrPort
}

// ports counts the ephemeral ports in use towards each destination: what runs out is the pair.
func (c *collector) ports(ctx context.Context) *snapshot.Ports {
	f := strings.Fields(c.text("/proc/sys/net/ipv4/ip_local_port_range"))
	if len(f) != 2 {
		return nil
	}
	low, err := strconv.ParseInt(f[0], 10, 32)
	high, errHigh := strconv.ParseInt(f[1], 10, 32)
	if err != nil || errHigh != nil {
		return nil
	}
	counts := map[pair]int64{}
	for _, name := range []string{"tcp", "tcp6"} {
		c.countPorts(ctx, c.netDir()+name, low, high, counts)
	}
	p := &snapshot.Ports{Low: low, High: high}
	for k, n := range counts {
		if n >= leastPorts {
			p.Worst = append(p.Worst, snapshot.PortUse{Src: k.src.String(), Dst: k.dst.String(), Used: n})
		}
	}
	slices.SortFunc(p.Worst, func(a, b snapshot.PortUse) int {
		return cmp.Or(cmp.Compare(b.Used, a.Used), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Src, b.Src))
	})
	p.Worst = p.Worst[:min(worstPairs, len(p.Worst))]
	return p
}

// countPorts reads one table of sockets line by line: it may hold millions.
func (c *collector) countPorts(ctx context.Context, name string, low, high int64, counts map[pair]int64) {
	file, err := c.fs.Open(name)
	if err != nil {
		return // a kernel without IPv6, or a copy without it
	}
	defer file.Close()
	s := bufio.NewScanner(file)
	for n := 0; s.Scan(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return
		}
		local, remote, ok := parseSocket(s.Text())
		if !ok || int64(local.Port()) < low || int64(local.Port()) > high {
			continue
		}
		k := pair{local.Addr(), remote}
		if _, known := counts[k]; known || len(counts) < mostPairs {
			counts[k]++
		}
	}
	if err := s.Err(); err != nil {
		c.miss(name, err, "")
	}
}

// parseSocket reads "  0: 0100007F:1F90 00000000:0000 0A …"; listening sockets use no port.
func parseSocket(line string) (local, remote netip.AddrPort, ok bool) {
	f := strings.Fields(line)
	if len(f) < 4 || f[3] == tcpListen {
		return local, remote, false
	}
	local, okLocal := parseEndpoint(f[1])
	remote, okRemote := parseEndpoint(f[2])
	return local, remote, okLocal && okRemote
}

// parseEndpoint reads an address as the kernel prints it: words of 32 bits in host order (little-endian
// machines), and a port.
func parseEndpoint(s string) (netip.AddrPort, bool) {
	address, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(address)
	if !ok || err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	a, okAddr := netip.AddrFromSlice(raw)
	p, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), okAddr && err == nil
}
