package flows

import (
	"fmt"
	"net/netip"
	"strings"

	"ctkeeper/internal/conntrack/filter"
)

// Always are the flows that nobody wants to lose by accident: loopback's, and the SSH session that the caller
// came by, with all that its peer has to this host's SSH port. ssh is SSH_CONNECTION: "peer port here port".
func Always(ssh string) []filter.Filter {
	texts := []string{"addr 127.0.0.0/8", "addr ::1"}
	if f := strings.Fields(ssh); len(f) == 4 {
		peer, err1 := netip.ParseAddr(f[0])
		here, err2 := netip.ParseAddr(f[2])
		if err1 == nil && err2 == nil {
			peer, here = peer.WithZone("").Unmap(), here.WithZone("").Unmap()
			texts = append(texts, fmt.Sprintf("src %s and dst %s and dport %s and proto tcp", peer, here, f[3]),
				fmt.Sprintf("src %s and dport %s and proto tcp", peer, f[3]))
		}
	}
	var out []filter.Filter
	for _, t := range texts {
		if f, err := filter.Parse(t); err == nil { // a port that is none protects nothing more
			out = append(out, f)
		}
	}
	return out
}
