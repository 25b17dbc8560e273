package workload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// file is a description as it is written.
type file struct {
	Duration duration `yaml:"duration"`
	Tail     duration `yaml:"tail"`
	Seed     uint64   `yaml:"seed"`
	Traffic  []class  `yaml:"traffic"`
}

type class struct {
	Name         string   `yaml:"name"`
	Protocol     string   `yaml:"protocol"`
	Rate         rate     `yaml:"rate"`
	Steady       bool     `yaml:"steady"`
	From         duration `yaml:"from"`
	Until        duration `yaml:"until"`
	Sources      string   `yaml:"sources"`
	Destinations string   `yaml:"destinations"`
	Port         ports    `yaml:"port"`
	Lasts        duration `yaml:"lasts"`
	Shape        string   `yaml:"shape"`
	Every        duration `yaml:"every"`
	Answer       string   `yaml:"answer"`
	End          string   `yaml:"end"`
	Question     int      `yaml:"question_bytes"`
	Reply        int      `yaml:"reply_bytes"`
}

type (
	duration time.Duration
	rate     [2]float64
	ports    []uint16
)

// UnmarshalYAML takes what Go writes as a duration: 90s, 1h30m.
func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 0 {
		return fmt.Errorf("line %d: %q is no duration such as 90s or 1h30m", n.Line, n.Value)
	}
	*d = duration(v)
	return nil
}

// UnmarshalYAML takes a number, or a pair from and to.
func (r *rate) UnmarshalYAML(n *yaml.Node) error {
	var both struct{ From, To float64 }
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			if k := n.Content[i]; k.Value != "from" && k.Value != "to" {
				return fmt.Errorf("line %d: rate has no key %q", k.Line, k.Value)
			}
		}
		if err := n.Decode(&both); err != nil {
			return err
		}
	} else {
		if err := n.Decode(&both.From); err != nil {
			return err
		}
		both.To = both.From
	}
	if !(both.From >= 0 && both.To >= 0 && both.From <= maxRate && both.To <= maxRate) {
		return fmt.Errorf("line %d: a rate is between 0 and %g flows a second", n.Line, maxRate)
	}
	*r = rate{both.From, both.To}
	return nil
}

const maxRate = 1e7

// UnmarshalYAML takes a port or a list.
func (p *ports) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]uint16)(p))
	}
	var one uint16
	if err := n.Decode(&one); err != nil {
		return err
	}
	*p = ports{one}
	return nil
}

// Parse reads a description. Unknown keys, missing ones and values out of range are errors with the file's
// name and line.
func Parse(name string, text []byte) (Workload, error) {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return Workload{}, fmt.Errorf("%s: %s", name, plain(err))
	}
	w := Workload{Duration: time.Duration(f.Duration), Tail: time.Duration(f.Tail), Seed: f.Seed}
	if w.Duration == 0 {
		return w, fmt.Errorf("%s: duration is missing", name)
	}
	if len(f.Traffic) == 0 {
		return w, fmt.Errorf("%s: traffic is missing", name)
	}
	for i := range f.Traffic {
		c, err := w.class(&f.Traffic[i])
		if err != nil {
			return w, fmt.Errorf("%s:%d: %w", name, lineOf(text, i), err)
		}
		w.Classes = append(w.Classes, c)
	}
	return w, nil
}

// lineOf is where the i-th class stands in a text that was decoded before.
func lineOf(text []byte, i int) int {
	var f struct {
		Traffic []yaml.Node `yaml:"traffic"`
	}
	if err := yaml.Unmarshal(text, &f); err != nil || i >= len(f.Traffic) {
		return 0
	}
	return f.Traffic[i].Line
}

// plain takes the library's name off its errors.
func plain(err error) string {
	s := strings.TrimPrefix(err.Error(), "yaml: ")
	s = strings.ReplaceAll(strings.TrimPrefix(s, "unmarshal errors:\n  "), "\n  ", "; ")
	return strings.NewReplacer(" into workload.file", "", " in type workload.file", "", " in type workload.class", "").Replace(s)
}

// class fills in the defaults of one class and checks it.
func (w *Workload) class(in *class) (Class, error) {
	c := Class{Name: in.Name, Protocol: Protocol(in.Protocol), RateFrom: in.Rate[0], RateTo: in.Rate[1], Steady: in.Steady,
		From: time.Duration(in.From), Until: time.Duration(in.Until), Ports: in.Port, Lasts: time.Duration(in.Lasts), Shape: Shape(in.Shape),
		Every: time.Duration(in.Every), Answer: Answer(in.Answer), End: End(in.End), Question: in.Question, Reply: in.Reply}
	if err := c.defaults(w); err != nil {
		return c, err
	}
	if err := c.addresses(in.Sources, in.Destinations); err != nil {
		return c, err
	}
	return c, c.check()
}

func (c *Class) defaults(w *Workload) error {
	if c.Until == 0 || c.Until > w.Duration {
		c.Until = w.Duration
	}
	if c.Shape == "" {
		c.Shape = Exponential
	}
	if c.Answer == "" {
		c.Answer = Yes
	}
	if c.End == "" {
		c.End = FIN
	}
	if len(c.Ports) == 0 && c.Protocol != ICMP {
		return errors.New("port is missing")
	}
	if c.From >= c.Until {
		return fmt.Errorf("from %s is not before until %s", c.From, c.Until)
	}
	return nil
}

func (c *Class) addresses(from, to string) error {
	var err error
	if c.Sources, err = prefix("sources", from); err != nil {
		return err
	}
	if c.Destinations, err = prefix("destinations", to); err != nil {
		return err
	}
	if c.Sources.Addr().Is4() != c.Destinations.Addr().Is4() {
		return errors.New("sources and destinations are not of one family")
	}
	return nil
}

func prefix(key, text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, fmt.Errorf("%s is missing", key)
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%s: %q is no address or prefix", key, text)
	}
	return p.Masked(), nil
}

func (c *Class) check() error {
	for _, one := range []struct {
		key, value string
		allowed    []string
	}{
		{"protocol", string(c.Protocol), []string{"tcp", "udp", "icmp"}},
		{"shape", string(c.Shape), []string{"constant", "exponential", "pareto"}},
		{"answer", string(c.Answer), []string{"yes", "no", "refuse", "half"}},
		{"end", string(c.End), []string{"fin", "rst", "silence"}},
	} {
		if !slices.Contains(one.allowed, one.value) {
			return fmt.Errorf("%s is %q, not one of %s", one.key, one.value, strings.Join(one.allowed, ", "))
		}
	}
	switch {
	case c.RateFrom == 0 && c.RateTo == 0:
		return errors.New("rate is missing")
	case c.Question < 0 || c.Reply < 0 || c.Question > 1400 || c.Reply > 1400:
		return errors.New("question_bytes and reply_bytes are between 0 and 1400")
	case c.Every > 0 && c.Every < time.Millisecond:
		return errors.New("every is at least 1ms")
	}
	return nil
}
