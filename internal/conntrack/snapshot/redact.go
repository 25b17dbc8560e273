package snapshot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strings"

	"ctkeeper/internal/conntrack/rank"
)

// Redactor replaces addresses and host names, the same way each time. Addresses keep their prefixes
// comparable: two that share their first n bytes still do. Loopback and unspecified addresses stay.
type Redactor struct {
	key []byte
}

// NewRedactor makes a redactor from a secret; without it nothing can be found back.
func NewRedactor(secret []byte) Redactor { return Redactor{key: secret} }

// Addr is the stand-in of an address.
func (r Redactor) Addr(a netip.Addr) netip.Addr {
	if !a.IsValid() || a.IsLoopback() || a.IsUnspecified() {
		return a
	}
	a = a.Unmap()
	in := a.AsSlice()
	out := make([]byte, len(in))
	for i := range in {
		out[i] = in[i] ^ r.mac(append([]byte{byte(len(in))}, in[:i]...))[0]
	}
	b, _ := netip.AddrFromSlice(out) // it has the length of an address
	return b
}

func (r Redactor) mac(data []byte) []byte {
	h := hmac.New(sha256.New, r.key)
	h.Write(data) //nolint:errcheck // a hash's Write never fails
	return h.Sum(nil)
}

// Name is the stand-in of a name.
func (r Redactor) Name(s string) string {
	if s == "" {
		return ""
	}
	return "name-" + hex.EncodeToString(r.mac([]byte(s))[:4])
}

// addresses finds what may be an address: four decimal numbers, or hexadecimal groups with colons.
var addresses = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}`)

// Text replaces every address in a text.
func (r Redactor) Text(s string) string {
	return addresses.ReplaceAllStringFunc(s, func(m string) string {
		a, err := netip.ParseAddr(m)
		if err != nil {
			return m
		}
		return r.Addr(a).String()
	})
}

// Snapshot returns the snapshot with its addresses and host names replaced. Container and unit names stay:
// findings name them.
func (r Redactor) Snapshot(s Snapshot) Snapshot {
	s.Redacted = true
	host := s.Host.Name
	s.Host.Name = r.Name(host)
	clean := func(text string) string {
		text = r.Text(text)
		if len(host) > 2 {
			text = strings.ReplaceAll(text, host, s.Host.Name)
		}
		return text
	}
	s.Namespaces = append([]Namespace(nil), s.Namespaces...)
	for i := range s.Namespaces {
		s.Namespaces[i].Flows = r.flows(s.Namespaces[i].Flows)
	}
	s.Log.Groups = append([]LogGroup(nil), s.Log.Groups...)
	for i := range s.Log.Groups {
		s.Log.Groups[i].Example = clean(s.Log.Groups[i].Example)
	}
	s.Files = append([]File(nil), s.Files...)
	for i, f := range s.Files {
		if f.Content != nil {
			s.Files[i].Content = []byte(clean(string(f.Content)))
		}
	}
	s.Programs = append([]Program(nil), s.Programs...)
	for i, p := range s.Programs {
		args := make([]string, len(p.Args))
		for j, a := range p.Args {
			args[j] = clean(a)
		}
		s.Programs[i].Args = args
	}
	s.Incidents = append([]Incident(nil), s.Incidents...)
	for i := range s.Incidents {
		s.Incidents[i] = r.Incident(s.Incidents[i])
	}
	s.Limits = r.limits(s.Limits)
	return s
}

func (r Redactor) flows(f *Flows) *Flows {
	if f == nil {
		return nil
	}
	c := *f
	for _, rows := range []*[]rank.Row{&c.Summary.Source, &c.Summary.Dest, &c.Summary.SourcePrefix, &c.Summary.DestPrefix} {
		clean := append([]rank.Row(nil), *rows...)
		for i := range clean {
			clean[i].Key = r.Key(clean[i].Key)
		}
		*rows = clean
	}
	return &c
}

// Key replaces an address or a prefix; all else stays.
func (r Redactor) Key(key string) string {
	if p, err := netip.ParsePrefix(key); err == nil {
		return netip.PrefixFrom(r.Addr(p.Addr()), p.Bits()).Masked().String()
	}
	return r.Text(key)
}

func (r Redactor) limits(l Limits) Limits {
	if l.Ports == nil {
		return l
	}
	p := *l.Ports
	p.Worst = append([]PortUse(nil), p.Worst...)
	for i, w := range p.Worst {
		p.Worst[i].Src, p.Worst[i].Dst = r.Text(w.Src), r.endpoint(w.Dst)
	}
	l.Ports = &p
	return l
}

// endpoint replaces the address of "address:port".
func (r Redactor) endpoint(s string) string {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return r.Text(s)
	}
	return netip.AddrPortFrom(r.Addr(ap.Addr()), ap.Port()).String()
}
