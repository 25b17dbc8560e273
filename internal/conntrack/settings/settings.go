// Package settings is the registry of every conntrack setting, in both families, as data: names, unit,
// range, default by kernel, scope, where it can be written, and what changing it does to flows that exist.
//
//	s, ok := settings.Lookup("net.ipv4.netfilter.ip_conntrack_max")   // any spelling
//	v, ok := s.Default(kernel, memory)
//	got, err := s.Accept(kernel, "65536.")                            // what the kernel does with a text
//
// It reads and writes nothing. Sentences about a setting stand in surface/wording under
// "setting_"+Name (what it is), its Effect and its Advice.
package settings

// MemoryShare divides the machine's memory: an eighth of it is what a full table may take.
const MemoryShare = 8

// Unit is what a setting's number counts.
type Unit string

// Units.
const (
	Seconds Unit = "s"
	Count   Unit = "count"
	Bytes   Unit = "bytes"
	Bool    Unit = "bool"
	Enum    Unit = "enum"
)

// Scope tells whom a setting belongs to.
type Scope string

// Scopes.
const (
	Machine   Scope = "machine"   // one value, writable in the first namespace only
	Namespace Scope = "namespace" // a value a namespace; new ones start with the compiled-in default
)

// Family is the family of names that a key belongs to.
type Family string

// Families of names.
const (
	Modern    Family = "nf_conntrack" // net.netfilter.nf_conntrack_* and net.nf_conntrack_max
	Legacy    Family = "ip_conntrack" // net.ipv4.netfilter.ip_conntrack_* and net.ipv4.ip_conntrack_max
	Parameter Family = "parameter"    // /sys/module/nf_conntrack/parameters/*
)

// Key is one name of a setting.
type Key struct {
	// Name is the sysctl key with dots, or the module parameter's name.
	Name   string
	Family Family
	// Since and Until bound the kernels that have the key: [Since, Until), 0 is open.
	Since, Until Version
	// LoadOnly keys can be given at module load only.
	LoadOnly bool
	// InitOnly keys exist in the first namespace only.
	InitOnly bool
}

// Path is where the key's value lies.
func (k Key) Path() string {
	if k.Family == Parameter {
		return "/sys/module/nf_conntrack/parameters/" + k.Name
	}
	return "/proc/sys/" + dotsToSlashes(k.Name)
}

// Effect says what changing a setting does to flows that exist; its sentence is in wording.
type Effect string

// Effects.
const (
	// EffectNextPacket: a flow takes the new timeout with its next packet; idle ones keep their timer.
	EffectNextPacket Effect = "effect_next_packet"
	// EffectAtCreation: flows copy the value when they are created.
	EffectAtCreation Effect = "effect_at_creation"
	// EffectAtOnce: the next packet of any flow is judged by the new value.
	EffectAtOnce Effect = "effect_at_once"
	// EffectNewFlows: only flows that do not exist yet are judged by it.
	EffectNewFlows Effect = "effect_new_flows"
	// EffectRehash: the whole table is re-hashed under a lock.
	EffectRehash Effect = "effect_rehash"
	// EffectNone: it cannot be changed.
	EffectNone Effect = "effect_none"
)

// Setting is one tunable.
type Setting struct {
	// Name is the logical name, ctkeeper's own: "max", "tcp_timeout_established".
	Name string
	Keys []Key
	Unit Unit
	Scope
	// ReadOnly settings only tell.
	ReadOnly bool
	Effect   Effect
	// Advice is the code of what to know before changing it.
	Advice string
	// kind is how the kernel reads a text.
	kind kind
	// defaults by kernel, oldest first; nil when memory decides.
	defaults []since
	// Min and Max bound the values that make sense; the kernel may accept more.
	Min, Max int64
	// Other marks keys beside conntrack's own, known so that they are not called unknown.
	Other bool
}

// since is a default that holds from a kernel on.
type since struct {
	from  Version
	value int64
}

// Default is the compiled-in value on a kernel; for max, buckets and expect_max it follows from the
// machine's memory in bytes. It is not known when the kernel or its memory is not.
func (s Setting) Default(k Kernel, memory uint64) (int64, bool) {
	switch s.Name {
	case "max", "buckets", "expect_max":
		return s.sizeDefault(k, memory)
	}
	var v int64
	found := false
	for _, d := range s.defaults {
		if k.Known() && k.Version < d.from {
			break
		}
		v, found = d.value, true
	}
	return v, found && s.Exists(k)
}

func (s Setting) sizeDefault(k Kernel, memory uint64) (int64, bool) {
	if memory == 0 {
		return 0, false
	}
	switch s.Name {
	case "max":
		return k.DefaultMax(memory), true
	case "buckets":
		return k.DefaultBuckets(memory), true
	}
	return k.DefaultExpectMax(k.DefaultBuckets(memory)), true
}

// Exists reports whether any key of the setting exists on a kernel.
func (s Setting) Exists(k Kernel) bool {
	for _, key := range s.Keys {
		if k.within(key.Since, key.Until) {
			return true
		}
	}
	return false
}

// KeysOn lists the keys that a kernel has, the modern ones first.
func (s Setting) KeysOn(k Kernel) []Key {
	var keys []Key
	for _, key := range s.Keys {
		if k.within(key.Since, key.Until) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Sysctl is the setting's modern sysctl key, or its only one.
func (s Setting) Sysctl() (Key, bool) {
	for _, key := range s.Keys {
		if key.Family != Parameter {
			return key, true
		}
	}
	return Key{}, false
}
