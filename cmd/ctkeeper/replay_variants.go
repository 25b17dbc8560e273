package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/settings"
)

// variantFlags are the ways to ask for variants.
type variantFlags struct {
	set, variant, sweep []string
	file, upgrade       string
}

// variant is one run's settings, and how they differ from the base.
type variant struct {
	name     string
	profile  model.Profile
	kernel   settings.Kernel
	settings model.Settings
	policies []replay.Policy
	changed  map[string]int64 // by logical name
}

// maxVariants bounds what a sweep can ask for.
const maxVariants = 1024

// pair is one NAME=VALUE, and where it stood.
type pair struct{ name, value, at string }

// variants are the base and all that the flags ask for, in the order --set, --variant, --settings, --sweep,
// --upgrade.
func (b *replayBase) variants(f variantFlags) ([]variant, error) {
	all := []variant{{profile: b.profile, kernel: b.kernel, settings: b.settings}}
	add := func(name string, pairs []pair) error {
		v, err := b.variant(name, pairs)
		if all = append(all, v); err == nil && len(all) > maxVariants+1 {
			err = fmt.Errorf("more than %d variants", maxVariants)
		}
		return err
	}
	if len(f.set) > 0 {
		pairs, err := pairsOf("--set", f.set)
		if err := errors.Join(err, add("", pairs)); err != nil {
			return nil, usageError{err}
		}
	}
	for _, text := range f.variant {
		pairs, err := pairsOf("--variant", strings.Split(text, ","))
		if err := errors.Join(err, add("", pairs)); err != nil {
			return nil, usageError{err}
		}
	}
	if f.file != "" {
		if err := settingsFile(f.file, add); err != nil {
			return nil, err
		}
	}
	for _, text := range f.sweep {
		if err := sweep(text, add); err != nil {
			return nil, usageError{err}
		}
	}
	if f.upgrade != "" {
		if err := add("", []pair{{"kernel", f.upgrade, "--upgrade"}}); err != nil {
			return nil, usageError{err}
		}
	}
	return all, nil
}

// variant applies pairs to the base; kernel=RELEASE first, wherever it stands.
func (b *replayBase) variant(name string, pairs []pair) (variant, error) {
	v := variant{name: name, profile: b.profile, kernel: b.kernel, settings: b.settings, changed: map[string]int64{}}
	for _, p := range pairs {
		if p.name == "kernel" {
			if err := v.upgrade(b, p); err != nil {
				return v, err
			}
		}
	}
	for _, p := range pairs {
		if p.name == "kernel" {
			continue
		}
		reg, ok := settings.Lookup(p.name)
		if !ok {
			return v, fmt.Errorf("%s: %w", p.at, unknownSetting(p.name))
		}
		n, err := reg.Accept(v.kernel, p.value)
		if err == nil {
			err = v.settings.Set(reg.Name, n)
		}
		if err != nil {
			return v, fmt.Errorf("%s: %s=%s: %w", p.at, p.name, p.value, err)
		}
		v.changed[reg.Name] = n
	}
	return v, nil
}

// upgrade changes the kernel: what stood at the old one's default stands at the new one's.
func (v *variant) upgrade(b *replayBase, p pair) error {
	profile, ok := model.ForKernel(p.value)
	if !ok {
		return fmt.Errorf("%s: kernel %s: not a release of 5.10 or newer", p.at, p.value)
	}
	v.profile = profile
	v.kernel, _ = settings.ParseKernel(p.value)
	before, after := model.Defaults(b.profile), model.Defaults(profile)
	for _, name := range model.Names() {
		was, _ := before.Get(name)
		is, _ := after.Get(name)
		if now, ok := v.settings.Get(name); ok && now == was && is != was && name != "max" && name != "buckets" {
			if err := v.settings.Set(name, is); err != nil {
				return err
			}
		}
	}
	return nil
}

func pairsOf(at string, texts []string) ([]pair, error) {
	var out []pair
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("%s %s: not NAME=VALUE", at, text)
		}
		out = append(out, pair{strings.TrimSpace(name), value, at})
	}
	return out, nil
}

// sweep adds a variant for every combination of the values of NAME=LO..HI/N,….
func sweep(text string, add func(string, []pair) error) error {
	const at = "--sweep"
	ranges, err := pairsOf(at, strings.Split(text, ","))
	if err != nil {
		return err
	}
	combined := [][]pair{nil}
	for _, r := range ranges {
		values, err := spaced(r.value)
		if err != nil {
			return fmt.Errorf("%s %s=%s: %w", at, r.name, r.value, err)
		}
		if len(combined)*len(values) > maxVariants {
			return fmt.Errorf("%s %s: more than %d variants", at, text, maxVariants)
		}
		var next [][]pair
		for _, c := range combined {
			for _, v := range values {
				next = append(next, append(slices.Clone(c), pair{r.name, strconv.FormatInt(v, 10), at}))
			}
		}
		combined = next
	}
	for _, pairs := range combined {
		if err := add("", pairs); err != nil {
			return err
		}
	}
	return nil
}

// spaced are the n values of LO..HI/N, geometrically apart, both ends included; equal neighbours, which
// rounding makes, are one.
func spaced(text string) ([]int64, error) {
	ends, count, ok := strings.Cut(text, "/")
	lo, hi, ok2 := strings.Cut(ends, "..")
	if !ok || !ok2 {
		return nil, errors.New("not LO..HI/N")
	}
	a, err1 := strconv.ParseInt(lo, 10, 64)
	b, err2 := strconv.ParseInt(hi, 10, 64)
	n, err3 := strconv.Atoi(count)
	switch {
	case err1 != nil || err2 != nil || err3 != nil:
		return nil, errors.New("not LO..HI/N in whole numbers")
	case a < 1 || b < a:
		return nil, errors.New("a range goes from 1 or more upwards")
	case n < 2 || n > maxVariants:
		return nil, fmt.Errorf("from 2 to %d values", maxVariants)
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(math.Round(float64(a) * math.Pow(float64(b)/float64(a), float64(i)/float64(n-1))))
	}
	out[n-1] = b
	return slices.Compact(out), nil
}

// settingsFile reads a YAML list of variants: mappings from setting to value, with name and kernel beside.
func settingsFile(path string, add func(string, []pair) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var list []yaml.Node
	if err := yaml.NewDecoder(f).Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", path, err)
	}
	for i := range list {
		name, pairs, err := variantNode(path, &list[i])
		if err == nil {
			err = add(name, pairs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func variantNode(path string, n *yaml.Node) (name string, pairs []pair, err error) {
	if n.Kind != yaml.MappingNode {
		return "", nil, fmt.Errorf("%s:%d: a variant is a mapping of settings to values", path, n.Line)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := fmt.Sprintf("%s:%d", path, k.Line)
		if k.Kind != yaml.ScalarNode || v.Kind != yaml.ScalarNode || seen[k.Value] {
			return "", nil, fmt.Errorf("%s: not one value for one setting", at)
		}
		seen[k.Value] = true
		if k.Value == "name" {
			name = v.Value
			continue
		}
		pairs = append(pairs, pair{k.Value, v.Value, at})
	}
	return name, pairs, nil
}

// changes are a variant's differences from the base as NAME=VALUE, in the registry's order.
func (v *variant) changes(base *variant) []string {
	var out []string
	if v.profile.Name != base.profile.Name {
		out = append(out, "kernel="+v.profile.Name)
	}
	for _, name := range model.Names() {
		if n, ok := v.changed[name]; ok {
			out = append(out, fmt.Sprintf("%s=%d", name, n))
		}
	}
	return out
}
