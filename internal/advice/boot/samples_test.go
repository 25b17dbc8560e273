package boot_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/sysctlconf"
)

const samples = "../../../../shared/samples/sysctl"

type answer struct {
	Exit    int               `json:"exit"`
	Written map[string]string `json:"written"`
}

// readTree reads a sample's files as the collector would.
func readTree(t *testing.T, root string) []snapshot.File {
	t.Helper()
	var files []snapshot.File
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f := snapshot.File{Path: strings.TrimPrefix(p, root)}
		if target, err := os.Readlink(p); err == nil {
			f.Target = target
		} else if f.Content, err = os.ReadFile(p); err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readAnswers(t *testing.T, file string) map[string]answer {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		t.Fatal(err)
	}
	answers := map[string]answer{}
	for name, text := range raw {
		var a answer
		if json.Unmarshal(text, &a) == nil && a.Written != nil {
			answers[name] = a
		}
	}
	return answers
}

// path turns the answers' spelling of a key into its path.
func keyPath(name string) string { return sysctlconf.Key(name) }

func TestSamplesAsTheirAnswers(t *testing.T) {
	files, err := filepath.Glob(samples + "/answers/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("samples are absent: sysctl/answers")
	}
	checked := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		answers := readAnswers(t, file)
		in := boot.Input{Files: readTree(t, samples+"/trees/"+name), Keys: slices.DeleteFunc(scratchKeys(), func(k string) bool { return strings.HasPrefix(k, "net/ipv4/conf/eth0.") })}
		for _, a := range answers {
			for k := range a.Written {
				if p := keyPath(k); !slices.Contains(in.Keys, p) {
					in.Keys = append(in.Keys, p)
				}
			}
		}
		conf := in
		conf.Files = nil
		for _, f := range in.Files {
			if f.Path == "/etc/sysctl.conf" {
				f.Path = "/etc/sysctl.d/alone.conf"
				conf.Files = append(conf.Files, f)
			}
		}
		for program, got := range map[string]map[string]string{
			"systemd-sysctl":                  foretold(in, boot.Systemd),
			"procps sysctl --system":          foretold(in, boot.Procps),
			"systemd-sysctl /etc/sysctl.conf": foretold(conf, boot.Systemd),
			"procps sysctl -p":                foretold(conf, boot.Procps),
			"busybox sysctl -p":               foretold(conf, sysctlconf.Busybox),
		} {
			a, ok := answers[program]
			if !ok {
				continue
			}
			want := map[string]string{}
			for k, v := range a.Written {
				if v != "" {
					want[keyPath(k)] = v
				}
			}
			checked++
			if !maps.Equal(got, want) {
				t.Errorf("%s, %s:\nforetold %q\nwritten  %q", name, program, got, want)
			}
		}
	}
	if checked < 2*len(files) {
		t.Errorf("only %d answers were checked", checked)
	}
	t.Logf("%d trees, %d answers", len(files), checked)
}
