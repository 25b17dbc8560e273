package collect

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/snapshot"
)

// host reads the facts of the machine itself.
func (c *collector) host() {
	h := &c.s.Host
	h.Name = strings.TrimSpace(c.text("/proc/sys/kernel/hostname"))
	h.Kernel = strings.TrimSpace(c.text("/proc/sys/kernel/osrelease"))
	if h.Kernel == "" {
		h.Kernel = releaseOf(c.text("/proc/version"))
	}
	if seconds, _, ok := strings.Cut(c.text("/proc/uptime"), " "); ok {
		if f, err := strconv.ParseFloat(seconds, 64); err == nil {
			h.Uptime = int64(f)
		}
	}
	h.CPUs, h.Booted = parseStat(c.text("/proc/stat"))
	h.MemTotal, h.MemAvailable = parseMeminfo(c.text("/proc/meminfo"))
	h.HZ = c.hz()
	if c.fs.Live() {
		h.PageSize, h.Bits = os.Getpagesize(), int(unsafe.Sizeof(uintptr(0)))*8
	}
	h.KeepaliveTime = c.number("/proc/sys/net/ipv4/tcp_keepalive_time")
	h.KeepaliveProbes = c.number("/proc/sys/net/ipv4/tcp_keepalive_probes")
	h.KeepaliveInterval = c.number("/proc/sys/net/ipv4/tcp_keepalive_intvl")
	c.slab()
}

// number reads a file that holds one integer; nil when it does not.
func (c *collector) number(name string) *int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(c.text(name)), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// releaseOf reads "Linux version 5.10.0-8 (…".
func releaseOf(version string) string {
	fields := strings.Fields(version)
	if len(fields) < 3 || fields[0] != "Linux" {
		return ""
	}
	return fields[2]
}

// parseStat counts the CPUs of /proc/stat and reads the time of boot.
func parseStat(text string) (cpus int, booted time.Time) {
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, " ")
		if number, ok := strings.CutPrefix(name, "cpu"); ok && number != "" {
			cpus++
		}
		if name == "btime" {
			if n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64); err == nil {
				booted = time.Unix(n, 0).UTC()
			}
		}
	}
	return cpus, booted
}

// parseMeminfo reads the two figures of /proc/meminfo, in bytes. Kernels before 3.14 tell no MemAvailable:
// what is free or can be dropped stands in for it.
func parseMeminfo(text string) (total, available uint64) {
	kb := map[string]uint64{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		if n, err := strconv.ParseUint(fields[0], 10, 54); err == nil {
			kb[name] = n
		}
	}
	available, told := kb["MemAvailable"]
	if !told {
		available = kb["MemFree"] + kb["Buffers"] + kb["Cached"]
	}
	return kb["MemTotal"] << 10, available << 10
}

// copied is when a root directory was copied: its time of boot and uptime say so, else its own time.
func (c *collector) copied(fallback time.Time) time.Time {
	if c.s.Host.Booted.IsZero() || c.s.Host.Uptime == 0 {
		return fallback
	}
	return c.s.Host.Booted.Add(time.Duration(c.s.Host.Uptime) * time.Second)
}

// hz finds the kernel's tick rate in its configuration, where there is one.
func (c *collector) hz() int {
	if data, err := c.fs.ReadFile("/proc/config.gz", 4<<20); err == nil {
		if r, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			return configHZ(io.LimitReader(r, 16<<20))
		}
	}
	if data, err := c.fs.ReadFile("/boot/config-"+c.s.Host.Kernel, 16<<20); err == nil {
		return configHZ(bytes.NewReader(data))
	}
	return 0
}

func configHZ(r io.Reader) int {
	for s := bufio.NewScanner(r); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "CONFIG_HZ="); ok {
			n, err := strconv.Atoi(v)
			if err == nil && n > 0 {
				return n
			}
		}
	}
	return 0
}

// slab reads what the kernel itself says of the memory of flows.
func (c *collector) slab() {
	data, err := c.fs.ReadFile("/proc/slabinfo", 4<<20)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.miss("/proc/slabinfo", err, "")
		}
		return
	}
	c.s.Host.Slab = parseSlab(string(data), max(c.s.Host.PageSize, 4096))
}

// parseSlab sums the caches of flows: "nf_conntrack", and one a namespace before 4.7.
func parseSlab(text string, pageSize int) *snapshot.Slab {
	var sum *snapshot.Slab
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 15 || !isFlowCache(f[0]) || f[12] != "slabdata" && f[11] != "slabdata" {
			continue
		}
		n := make([]uint64, len(f))
		for i, s := range f {
			n[i], _ = strconv.ParseUint(s, 10, 64) // words between the numbers read as 0
		}
		if sum == nil {
			sum = &snapshot.Slab{}
		}
		slabs := n[len(f)-2]
		sum.Active += n[1]
		sum.Objects += n[2]
		sum.ObjectSize = max(sum.ObjectSize, n[3])
		sum.Bytes += slabs * n[5] * uint64(pageSize)
	}
	return sum
}

func isFlowCache(name string) bool {
	return name == "nf_conntrack" || name == "ip_conntrack" ||
		strings.HasPrefix(name, "nf_conntrack_") && !strings.HasPrefix(name, "nf_conntrack_expect")
}

// netAdmin reports whether this process holds CAP_NET_ADMIN.
func netAdmin() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}
