package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// assign is one setting and the value that a cure gives it.
type assign struct {
	name  string
	value int64
}

// do is a cure that sets nothing.
func do(command, code string, pairs ...any) Cure {
	return Cure{Text: message.New(code, pairs...), Command: command}
}

// set is a cure that sets values: as ctkeeper's command and as plain sysctl lines.
func (v *view) set(m message.Message, assigns ...assign) Cure {
	c := Cure{Text: m}
	if init := v.h.s.Source.InitNetns; init != nil && !*init && slices.ContainsFunc(assigns, func(a assign) bool { return machineWide(a.name) }) {
		c.Text = message.New("cure_on_host", "max", v.max.n)
	}
	var b strings.Builder
	b.WriteString("ctkeeper apply")
	b.WriteString(v.netnsFlag(assigns))
	for _, a := range assigns {
		b.WriteString(" --set " + a.name + "=" + strconv.FormatInt(a.value, 10))
		c.Sysctl = append(c.Sysctl, v.sysctl(a))
	}
	c.Command = b.String()
	return c
}

// netnsFlag is the --netns option that a change needs; what belongs to the machine needs none.
func (v *view) netnsFlag(assigns []assign) string {
	for _, a := range assigns {
		if !machineWide(a.name) && v.elsewhere() {
			return " --netns " + v.name
		}
	}
	return ""
}

// sysctl is one setting as a command of everyone's. Up to Linux 4.7 buckets can be changed only through
// the module's parameter.
func (v *view) sysctl(a assign) string {
	value := strconv.FormatInt(a.value, 10)
	if a.name == "buckets" && v.bucketsReadOnly() {
		return "echo " + value + " > /sys/module/nf_conntrack/parameters/hashsize"
	}
	line := "sysctl -w " + v.key(a.name) + "=" + value
	if !machineWide(a.name) && v.elsewhere() && v.n.Path != "" {
		return "nsenter --net=" + v.n.Path + " " + line
	}
	return line
}

// bucketsReadOnly reports whether the sysctl key of buckets only tells: on old kernels it does, whatever
// mode a copied tree has given the file.
func (v *view) bucketsReadOnly() bool {
	val, ok := v.n.Settings["buckets"]
	return v.h.scansEntries() || ok && val.Mode != 0 && val.Mode&0o200 == 0 && !v.elsewhere()
}

func machineWide(name string) bool {
	return name == "max" || name == "buckets" || name == "expect_max"
}

// key is the sysctl key of a setting as this host spells it.
func (v *view) key(name string) string {
	if val, ok := v.n.Settings[name]; ok {
		if key := dotted(val.Key); key != "" {
			return key
		}
	}
	if m := v.h.s.Module; m.Legacy && !m.Modern {
		return "net.ipv4.netfilter.ip_conntrack_" + name
	}
	return "net.netfilter.nf_conntrack_" + name
}

// dotted turns the key or /proc/sys path of a setting into sysctl's dotted form; "" when it is no sysctl.
func dotted(key string) string {
	key = strings.TrimPrefix(key, "/proc/sys/")
	key = strings.ReplaceAll(key, "/", ".")
	if !strings.HasPrefix(key, "net.") {
		return ""
	}
	return key
}

// raise is the cure by more room: twice what is there, buckets with it, within memoryShare of RAM. It has
// none when memory does not allow it, or what limits is not known.
func (v *view) raise() []Cure {
	if !v.limited() {
		return nil
	}
	target := roundUp(2*max(v.max.n, v.count.n), 512)
	need := float64(target) * float64(v.h.flowBytes()+bucketBytes)
	if ram := v.h.s.Host.MemTotal; ram != 0 && need > memoryShare*float64(ram) {
		return []Cure{do("ctkeeper plan", "cure_no_memory", "value", target, "bytes", int64(need), "ram", ram)}
	}
	assigns := []assign{{"max", target}}
	if v.buckets.known && v.buckets.n < target/4 {
		// Buckets first: the other way round lookups are slow in between.
		assigns = []assign{{"buckets", roundUp(target/4, 512)}, {"max", target}}
	}
	if v.buckets.known && v.h.bucketsAreMax(v) {
		assigns = []assign{{"buckets", target}, {"max", target}}
	}
	return []Cure{v.set(message.New("cure_raise", "max", target, "old", v.max.n, "bytes", int64(need)), assigns...)}
}

// bucketsAreMax reports whether the host follows the rule of Linux 5.15 and later: one bucket a flow.
func (h *host) bucketsAreMax(v *view) bool { return v.buckets.n >= v.max.n }

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// flowBytes is what one flow costs: the slab's object and the block of extensions.
func (h *host) flowBytes() uint64 {
	size := uint64(320) // Linux 4.9 to 5.18
	if slab := h.s.Host.Slab; slab != nil && slab.ObjectSize > 0 {
		size = slab.ObjectSize
	}
	return size + extensionBytes
}

// slabSource is where flowBytes comes from.
func (h *host) slabSource() string {
	if slab := h.s.Host.Slab; slab != nil && slab.ObjectSize > 0 {
		return "/proc/slabinfo"
	}
	return "estimate"
}

// missing returns the entries of what could not be read whose source contains any of the words.
func missing(s *snapshot.Snapshot, words ...string) []snapshot.Missing {
	var found []snapshot.Missing
	for _, m := range s.Missing {
		for _, w := range words {
			if strings.Contains(m.Source, w) || strings.Contains(m.Code, w) {
				found = append(found, m)
				break
			}
		}
	}
	return found
}
