package ctnetlink

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// readBuckets reads the machine's number of buckets; kernels before 4.9 show it elsewhere.
func readBuckets() (uint64, error) {
	var errs []error
	for _, path := range []string{"/proc/sys/net/netfilter/nf_conntrack_buckets", "/sys/module/nf_conntrack/parameters/hashsize"} {
		text, err := os.ReadFile(path)
		if err == nil {
			n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read %s: %w", path, err)
			}
			return n, nil
		}
		errs = append(errs, err)
	}
	return 0, errors.Join(errs...)
}
