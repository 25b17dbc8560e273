package netns

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Select chooses namespaces by what people type: a name, a path, a process id, an inode number, "all", or
// "" for the present one.
func Select(all []Namespace, selector string) ([]Namespace, error) {
	switch selector {
	case "all":
		return all, nil
	case "":
		for _, ns := range all {
			if ns.Present {
				return []Namespace{ns}, nil
			}
		}
		return all[:min(1, len(all))], nil
	}
	var found []Namespace
	for _, ns := range all {
		if ns.answers(selector) {
			found = append(found, ns)
		}
	}
	switch {
	case len(found) == 1:
		return found, nil
	case len(found) > 1:
		return nil, fmt.Errorf("namespace %q: %d have that name; give an inode: %s", selector, len(found), inodes(found))
	case strings.HasPrefix(selector, "/"):
		return []Namespace{{Name: selector, Kind: KindNetns, Path: selector}}, nil
	}
	return nil, fmt.Errorf("namespace %q: no such name, path, process or inode; there are: %s", selector, names(all))
}

func (ns Namespace) answers(selector string) bool {
	if ns.Name == selector || ns.Path == selector {
		return true
	}
	n, err := strconv.ParseUint(selector, 10, 64)
	return err == nil && (ns.Inode == n || slices.Contains(ns.PIDs, int(n)))
}

func inodes(all []Namespace) string {
	var list []string
	for _, ns := range all {
		list = append(list, strconv.FormatUint(ns.Inode, 10))
	}
	return strings.Join(list, ", ")
}

// names lists the first few names.
func names(all []Namespace) string {
	const most = 10
	var list []string
	for _, ns := range all[:min(most, len(all))] {
		list = append(list, ns.Name)
	}
	if len(all) > most {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}
