package model

import "strings"

// Profile says which of the kernels' changes in behaviour are in force. Stable series carry back-ports,
// so it is a set of switches and no version; a version only chooses the default.
type Profile struct {
	Name string

	// ClosingRst lets an RST close a closing flow without checks, spares RSTs with sequence number 0, and
	// leaves a repeated SYN's timer alone (5.14).
	ClosingRst bool
	// KeepLiberal keeps BE_LIBERAL when a direction starts anew (5.15.y, 5.18).
	KeepLiberal bool
	// OvershootEnd moves the end of what was sent even for a segment beyond the window (5.15.y, 6.0).
	OvershootEnd bool
	// NewISN lets a SYN or SYN-ACK beyond the end start its direction anew (5.17).
	NewISN bool
	// Ignore tells ignored from invalid segments, lowers timers after a bad FIN or RST, and takes the RST
	// that answers a challenge ACK in SYN_SENT (6.1).
	Ignore bool
	// SynOtherSide asks that an RST answering an ignored SYN comes from the other side (6.1.y, 6.12.y, 6.18).
	SynOtherSide bool
	// InexactUnack gives an inexact RST the unacknowledged timeout instead of close's (6.12.y late).
	InexactUnack bool
	// AssuredStream asks UDP for the stream timeout before it assures (5.15).
	AssuredStream bool
	// OldSCTP is SCTP with HEARTBEAT_ACKED and long timeouts (to 5.15).
	OldSCTP bool
	// DCCP gives protocol 33 ports (to 6.14).
	DCCP bool
	// ChainMin and ChainMax bound the drawn limit on a chain's length; 0 is none (5.15: 8 to 31, 6.1: 50 to 79).
	ChainMin, ChainMax int
	// AdaptiveGC is the collector that paces itself by the mean time left (5.15.y, 5.18).
	AdaptiveGC bool
	// Redirects follows ICMPv6 redirects by what they quote (5.15.y, 6.1).
	Redirects bool
	// FewBuckets is a hash with a bucket for four flows of the limit (to 5.14).
	FewBuckets bool
	// NetnsInLog names the namespace in the log line (6.15 to 6.18).
	NetnsInLog bool
}

// Linux618 is the kernel that the model is proven against.
func Linux618() Profile {
	p := Linux612()
	p.Name, p.DCCP, p.NetnsInLog = "6.18", false, true
	return p
}

// Linux612 is the long-term series 6.12.
func Linux612() Profile {
	p := Linux61()
	p.Name = "6.12"
	return p
}

// Linux61 is the long-term series 6.1.
func Linux61() Profile {
	return Profile{Name: "6.1", ClosingRst: true, KeepLiberal: true, OvershootEnd: true, NewISN: true, Ignore: true, SynOtherSide: true,
		AssuredStream: true, DCCP: true, ChainMin: 50, ChainMax: 79, AdaptiveGC: true, Redirects: true}
}

// Linux510 is the long-term series 5.10.
func Linux510() Profile { return Profile{Name: "5.10", OldSCTP: true, DCCP: true, FewBuckets: true} }

// ForKernel chooses the switches for a kernel's release ("6.12", "5.15.85", "6.18.44-fc"): a switch is on
// from the release that brought it, and in a long-term series from the release that took it over, if that
// is known. A release without a third number stands for the latest of its series. ok is false for text that
// is no release, and for kernels before 5.10, whose profile would be a guess.
func ForKernel(release string) (Profile, bool) {
	major, minor, patch, ok := parseRelease(release)
	v := version(major, minor)
	switch {
	case !ok || v < version(5, 10):
		return Profile{}, false
	case v < version(5, 18):
		return since510(v, patch), true
	case v < version(6, 1):
		return since518(v, patch), true
	case v < version(6, 12):
		return Linux61(), true
	case v < version(6, 15):
		p := Linux612()
		p.InexactUnack = v == version(6, 12) && patch >= 117
		return p, true
	}
	p := Linux618()
	if v > version(6, 18) {
		p.Name, p.NetnsInLog = "6.19", false
	}
	return p, true
}

func version(major, minor int) int { return major<<16 | minor }

// since510 is for 5.10 to 5.17.
func since510(v, patch int) Profile {
	p := Linux510()
	if v == version(5, 10) {
		return p
	}
	p.ClosingRst = v >= version(5, 14)
	if v >= version(5, 15) {
		p.Name, p.AssuredStream, p.ChainMin, p.ChainMax, p.FewBuckets = "5.15", true, 8, 31, false
	}
	late := v == version(5, 15) && patch >= 85
	p.KeepLiberal, p.OvershootEnd, p.AdaptiveGC, p.Redirects = late, late, late, late
	if v > version(5, 15) {
		p.OldSCTP = false
	}
	p.NewISN = v >= version(5, 17)
	return p
}

// since518 is for 5.18 to 6.0.
func since518(v, patch int) Profile {
	p := Linux61()
	p.Name, p.Ignore, p.SynOtherSide, p.Redirects, p.ChainMin, p.ChainMax = "5.15", false, false, false, 8, 31
	p.OvershootEnd = v == version(6, 0) && patch >= 1
	return p
}

// latest is the patch number of a release that names none.
const latest = 1 << 15

func parseRelease(s string) (major, minor, patch int, ok bool) {
	a, b, found := strings.Cut(s, ".")
	if !found {
		return 0, 0, 0, false
	}
	major, n := digits(a)
	if n != len(a) {
		return 0, 0, 0, false
	}
	minor, m := digits(b)
	patch = latest
	if rest := b[m:]; strings.HasPrefix(rest, ".") {
		if v, k := digits(rest[1:]); k > 0 {
			patch = v
		}
	}
	return major, minor, patch, n > 0 && m > 0
}

func digits(s string) (v, n int) {
	for n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '9' {
		v = v*10 + int(s[n]-'0')
		n++
	}
	return v, n
}
