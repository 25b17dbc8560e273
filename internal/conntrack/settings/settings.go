// Package settings is the registry of every conntrack setting, in both families, as data: names, unit,
// range, default by kernel, scope, where it can be written, and what changing it does to flows that exist.
package settings

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

// KeyFamily is the family of names that a key belongs to.
type KeyFamily string

// Families of names.
const (
	Modern    KeyFamily = "nf_conntrack" // net.netfilter.nf_conntrack_* and net.nf_conntrack_max
	Legacy    KeyFamily = "ip_conntrack" // net.ipv4.netfilter.ip_conntrack_* and net.ipv4.ip_conntrack_max
	Parameter KeyFamily = "parameter"    // /sys/module/nf_conntrack/parameters/*
)
