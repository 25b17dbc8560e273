package boot

import (
	"path"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/message"
)

// Overwrite is one setting that another program sets after boot.
type Overwrite struct {
	Program string `json:"program"`
	// Setting is the logical name; "*" is every one: the module is loaded anew.
	Setting string `json:"setting"`
	// Value is absent when it is not known.
	Value *int64 `json:"value,omitempty"`
	At    *Ref   `json:"at,omitempty"`
	// Where says where to change it instead.
	Where message.Message `json:"where"`
	// Running tells whether the program was seen running.
	Running bool `json:"running"`
}

// Writers finds the programs on this host that set conntrack settings themselves.
func Writers(in Input) []Overwrite {
	var all []Overwrite
	all = append(all, kubeProxy(in)...)
	all = append(all, tuned(in)...)
	all = append(all, ufw(in)...)
	all = append(all, firewalld(in)...)
	all = append(all, docker(in)...)
	return append(all, localScripts(in)...)
}

func running(in Input, name string) bool {
	for _, p := range in.Programs {
		if path.Base(p.Name) == name {
			return true
		}
	}
	return false
}

func atoi(text string) (int64, bool) {
	v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return v, err == nil
}
