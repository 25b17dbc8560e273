package main

import (
	"strconv"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

// settingHere is the setting's value on this host.
func settingHere(t topic, s snapshot.Snapshot, lang wording.Lang) []message.Message {
	if len(s.Namespaces) == 0 {
		return nil
	}
	st, _ := settings.Lookup(t.Code)
	v, ok := s.Namespaces[0].Settings[t.Code]
	if !ok {
		return []message.Message{message.New("explain_absent")}
	}
	scope := wording.Say(lang, message.New("settings_"+string(st.Scope)))
	value := v.Text
	p := &page{lang: lang}
	if v.Int != nil {
		value = p.quantity(st, *v.Int)
	}
	k, _ := settings.ParseKernel(s.Host.Kernel)
	k.HZ, k.PageSize, k.Bits = s.Host.HZ, s.Host.PageSize, s.Host.Bits
	if d, ok := st.Default(k, s.Host.MemTotal); ok {
		return []message.Message{message.New("explain_value", "key", v.Key, "value", value, "default", p.quantity(st, d), "scope", scope)}
	}
	return []message.Message{message.New("explain_value_only", "key", v.Key, "value", value, "scope", scope)}
}

// counterHere is the counter in each namespace that tracks.
func counterHere(t topic, s snapshot.Snapshot) []message.Message {
	var all []message.Message
	for i := range s.Namespaces {
		n := &s.Namespaces[i]
		v, ok := n.Counter(t.Code)
		if !ok {
			continue
		}
		if rise, over, ok := n.Rise(t.Code); ok {
			seconds := strconv.FormatFloat(over.Seconds(), 'f', 0, 64)
			all = append(all, message.New("explain_counter", "namespace", n.Name, "value", v, "rise", rise, "seconds", seconds))
			continue
		}
		all = append(all, message.New("explain_counter_at", "namespace", n.Name, "value", v))
	}
	return all
}

// stateHere counts the flows in the state.
func stateHere(t topic, s snapshot.Snapshot) []message.Message {
	var all []message.Message
	for _, n := range s.Namespaces {
		if n.Flows == nil {
			continue
		}
		flows := uint64(0)
		for _, c := range n.Flows.Summary.Classes {
			if c.State == t.Code {
				flows += c.Count
			}
		}
		all = append(all, message.New("explain_state_here", "namespace", n.Name, "flows", flows))
	}
	return all
}
