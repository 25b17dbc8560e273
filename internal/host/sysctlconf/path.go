package sysctlconf

import "strings"

// Path is where below /proc/sys a program looks for a key. The first separator decides: a slash, and the
// key is a path already; a dot, and dots and slashes change places.
func Path(d Dialect, key string) string {
	path := key
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		path = swap(key)
	}
	if d == Systemd {
		return simplify(path)
	}
	return path
}

// Key writes a path below /proc/sys with dots, as people do: dots in names become slashes.
func Key(path string) string { return swap(path) }

func swap(s string) string { return strings.NewReplacer(".", "/", "/", ".").Replace(s) }

// simplify drops doubled and trailing slashes and "." parts, and the leading slash.
func simplify(path string) string {
	var kept []string
	for p := range strings.SplitSeq(path, "/") {
		if p != "" && p != "." {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "/")
}

// Real is the path that the kernel walks to: doubled slashes and "." parts are nothing to it. A path that
// climbs out of /proc/sys by ".." is none.
func Real(path string) (string, bool) {
	s := simplify(path)
	for p := range strings.SplitSeq(s, "/") {
		if p == ".." {
			return "", false
		}
	}
	return s, s != "" && !strings.HasSuffix(path, "/")
}
