package settings

import (
	"path"
	"strings"
)

// All lists every setting, in the order in which people should read them. The slice is the caller's.
func All() []Setting {
	var all []Setting
	for _, group := range [][]Setting{sizeSettings(), switchSettings(), timeoutSettings(), tcpSettings(), sctpSettings(), dccpSettings(), otherSettings()} {
		all = append(all, group...)
	}
	return all
}

// Lookup finds a setting by its logical name, by any sysctl spelling (dots or slashes, with or without
// /proc/sys, either family), by its last part ("nf_conntrack_max"), or by a module parameter.
func Lookup(name string) (Setting, bool) {
	s, _, ok := LookupKey(name)
	return s, ok
}

// LookupKey is Lookup that also returns the key that was meant; a logical name means the first key.
func LookupKey(name string) (Setting, Key, bool) {
	key := Normalize(name)
	for _, s := range All() {
		if s.Name == key && len(s.Keys) > 0 {
			return s, s.Keys[0], true
		}
		for _, k := range s.Keys {
			if k.Name == key || k.Family != Parameter && strings.HasSuffix(k.Name, "."+key) && strings.Contains(key, "_conntrack_") {
				return s, k, true
			}
		}
	}
	return Setting{}, Key{}, false
}

// Match lists the settings whose logical name or any key matches a glob ("tcp_timeout_*",
// "net.netfilter.nf_conntrack_udp_*").
func Match(glob string) []Setting {
	var found []Setting
	pattern := Normalize(glob)
	for _, s := range All() {
		if s.matches(pattern) {
			found = append(found, s)
		}
	}
	return found
}

func (s Setting) matches(pattern string) bool {
	if ok, _ := path.Match(pattern, s.Name); ok {
		return true
	}
	for _, k := range s.Keys {
		if ok, _ := path.Match(pattern, k.Name); ok {
			return true
		}
	}
	return false
}

// Normalize turns any spelling of a key into the one with dots: "/proc/sys/net/netfilter/x",
// "net/netfilter/x" and "net.netfilter.x" are one. The separator that comes first decides, as in
// sysctl.d(5); a module parameter's path becomes its name.
func Normalize(name string) string {
	name = strings.TrimSpace(name)
	if p, ok := strings.CutPrefix(name, "/sys/module/nf_conntrack/parameters/"); ok {
		return p
	}
	name = strings.TrimPrefix(name, "/proc/sys/")
	name = strings.TrimPrefix(name, "nf_conntrack.") // a boot line's nf_conntrack.hashsize
	if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '/' {
		return swap(name)
	}
	return name
}

// swap exchanges dots and slashes.
func swap(name string) string {
	return strings.NewReplacer(".", "/", "/", ".").Replace(name)
}

func dotsToSlashes(name string) string { return swap(name) }

// Twin returns the key of the other family that stands for the same setting, where there is one.
func Twin(name string) (Key, bool) {
	s, key, ok := LookupKey(name)
	if !ok {
		return Key{}, false
	}
	for _, k := range s.Keys {
		if k.Family != key.Family && k.Family != Parameter {
			return k, true
		}
	}
	return Key{}, false
}

// Nearest returns the known key that a misspelt one most likely means; none when nothing is near.
func Nearest(name string) (string, bool) {
	wrong := Normalize(name)
	best, distance := "", len(wrong)/4+2
	for _, s := range All() {
		candidates := []string{s.Name}
		for _, k := range s.Keys {
			candidates = append(candidates, k.Name)
		}
		for _, c := range candidates {
			if d := editDistance(wrong, c, distance); d < distance {
				best, distance = c, d
			}
		}
	}
	return best, best != ""
}

// editDistance counts the insertions, removals and changes between a and b, and stops at limit.
func editDistance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return min(row[len(b)], limit)
}
