package boot

import (
	"path"
	"strings"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/sysctlconf"
)

// tuned reads the active profile and those that it includes; only a profile in use counts.
func tuned(in Input) []Overwrite {
	active, ok := in.file("/etc/tuned/active_profile")
	if !ok {
		return nil
	}
	var all []Overwrite
	seen := map[string]bool{}
	queue := strings.Fields(string(active.Content))
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		f, ok := tunedProfile(in, name)
		if seen[name] || !ok {
			continue
		}
		seen[name] = true
		found, include := tunedFile(in, f)
		all = append(all, found...)
		queue = append(queue, include...)
	}
	return all
}

func tunedProfile(in Input, name string) (snapshot.File, bool) {
	for _, dir := range []string{"/etc/tuned/", "/etc/tuned/profiles/", "/usr/lib/tuned/", "/usr/lib/tuned/profiles/"} {
		if f, ok := in.file(dir + name + "/tuned.conf"); ok {
			return f, true
		}
	}
	return snapshot.File{}, false
}

func tunedFile(in Input, f snapshot.File) (all []Overwrite, include []string) {
	section := ""
	for i, line := range strings.Split(string(f.Content), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		o := Overwrite{Program: "tuned", At: &Ref{File: f.Path, Line: i + 1}, Running: running(in, "tuned"), Where: message.New("boot_where_tuned", "file", f.Path)}
		switch {
		case section == "main" && key == "include":
			include = append(include, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })...)
			continue
		case section == "sysctl":
			s, known := settings.Lookup(key)
			if !known {
				continue
			}
			o.Setting = s.Name
		case key == "nf_conntrack_hashsize":
			o.Setting = "buckets"
		default:
			continue
		}
		if v, ok := atoi(strings.TrimPrefix(value, ">")); ok {
			o.Value = &v
		}
		all = append(all, o)
	}
	return all, include
}

// ufw loads its own sysctl file (IPT_SYSCTL) each time it starts.
func ufw(in Input) []Overwrite {
	conf, ok := in.file("/etc/ufw/ufw.conf")
	if ok && !strings.EqualFold(assigned(conf.Content, "ENABLED"), "yes") {
		return nil
	}
	name := "/etc/ufw/sysctl.conf"
	if d, ok := in.file("/etc/default/ufw"); ok {
		if v := strings.Trim(assigned(d.Content, "IPT_SYSCTL"), `"'`); v != "" {
			name = v
		}
	}
	f, ok := in.file(name)
	if !ok {
		return nil
	}
	var all []Overwrite
	for _, e := range sysctlconf.Read(Procps, f.Content) {
		s, known := settings.Lookup(e.Key)
		if e.Kind != sysctlconf.Assign || !known {
			continue
		}
		o := Overwrite{Program: "ufw", Setting: s.Name, At: &Ref{File: name, Line: e.Line, Col: e.Col}, Running: ok, Where: message.New("boot_where_ufw", "file", name)}
		if v, err := s.Accept(in.Kernel, e.Value); err == nil {
			o.Value = &v
		}
		all = append(all, o)
	}
	return all
}

// assigned is the last NAME=value of a shell-like file.
func assigned(content []byte, name string) string {
	value := ""
	for line := range strings.SplitSeq(string(content), "\n") {
		if n, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.TrimSpace(n) == name {
			value = strings.TrimSpace(v)
		}
	}
	return value
}

// firewalld unloads conntrack's modules when it stops or is fully reloaded, unless told not to: settings
// come back at their defaults. A module that is built in cannot be unloaded.
func firewalld(in Input) []Overwrite {
	conf, ok := in.file("/etc/firewalld/firewalld.conf")
	if !ok || in.Module.State == snapshot.ModuleBuiltIn {
		return nil
	}
	// Without the line, firewalld's own default holds: yes.
	if v := assigned(conf.Content, "CleanupModulesOnExit"); v != "" && !strings.EqualFold(v, "yes") && !strings.EqualFold(v, "true") {
		return nil
	}
	return []Overwrite{{Program: "firewalld", Setting: "*", At: &Ref{File: conf.Path}, Running: running(in, "firewalld"),
		Where: message.New("boot_where_firewalld", "file", conf.Path)}}
}

// docker loads conntrack with its first NAT rule where nothing did before: with defaults, after the sysctl
// files were read. It sets no conntrack key itself; a container's are given with --sysctl.
func docker(in Input) []Overwrite {
	if m := Module(in); !running(in, "dockerd") || m.When != WhenLate || m.Udev != nil {
		return nil
	}
	return []Overwrite{{Program: "dockerd", Setting: "*", Running: true, Where: message.New("boot_where_docker", "file", ModulesLoad)}}
}

// localScripts finds rc.local lines that set a key with sysctl -w, or write below /proc/sys.
func localScripts(in Input) []Overwrite {
	var all []Overwrite
	for _, name := range []string{"/etc/rc.local", "/etc/rc.d/rc.local"} {
		f, ok := in.lookup(name)
		if !ok {
			continue
		}
		for i, line := range strings.Split(string(f.Content), "\n") {
			all = append(all, scriptLine(in, Ref{File: name, Line: i + 1}, strings.TrimSpace(line))...)
		}
	}
	return all
}

func scriptLine(in Input, at Ref, line string) []Overwrite {
	if strings.HasPrefix(line, "#") || !strings.Contains(line, "conntrack") {
		return nil
	}
	words := strings.Fields(line)
	for i, w := range words {
		key, text, assign := strings.Cut(strings.Trim(w, `"'`), "=")
		if p := strings.TrimLeft(w, ">"); strings.HasPrefix(p, "/proc/sys/") || strings.HasPrefix(p, "/sys/module/nf_conntrack/") {
			key, assign = p, true
			if path.Base(words[0]) == "echo" && len(words) > 1 && i > 1 {
				text = words[1]
			}
		}
		s, known := settings.Lookup(key)
		if !assign || !known {
			continue
		}
		o := Overwrite{Program: "rc.local", Setting: s.Name, At: &at, Running: true, Where: message.New("boot_where_script", "file", at.File)}
		if v, err := s.Accept(in.Kernel, strings.Trim(text, `"'`)); err == nil {
			o.Value = &v
		}
		return []Overwrite{o}
	}
	return nil
}
