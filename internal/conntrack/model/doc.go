// Package model is nf_conntrack as a value: packets and time go in, the table comes out.
//
//	m := model.New(model.Config{Profile: model.Linux618()})
//	v := m.Step(now, &p) // p decoded by package packet
//	v.Result, v.State, v.Status, v.Timeout
//
// It models the life of flows (look-up, creation, confirmation, expiry), the TCP, UDP, UDPLite, ICMP,
// ICMPv6, SCTP, GRE and generic trackers, and capacity: the count that holds expired flows until they are
// collected, the collector's pace, early drop, the limit on chains, refusal. The reference is the running
// kernel 6.18; [Profile] holds what other kernels do differently.
//
// It does not model rules (every packet is accepted), NAT (a loaded flow's reply side may differ; no
// flow is translated), helpers other than FTP's and PPTP's, the races of several
// processors, or conntrack events. It has no clock and does no I/O: time is an argument, and never goes back.
//
//go:generate go test ./gen -run TestUpToDate -update
package model
