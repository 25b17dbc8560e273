package model

import (
	"fmt"
	"math/bits"
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// Result is what conntrack made of a packet.
type Result uint8

// Results, named as the samples name them.
const (
	NotIP Result = iota + 1
	IPDropped
	FragQueued
	Untracked
	Invalid
	Refused // the table is full and early drop found nothing
	Dropped // conntrack dropped it for another reason: its bucket's chain is too long
	NewFlow
	Established
	Related
)

// String is the result's name.
func (r Result) String() string {
	names := [...]string{"", "not-ip", "ip-dropped", "frag-queued", "untracked", "invalid", "refused", "dropped", "new", "established", "related"}
	if int(r) >= len(names) {
		return ""
	}
	return names[r]
}

// Verdict is what conntrack made of one packet and how its flow stands just after.
type Verdict struct {
	Flow uint64 // number of the flow in order of confirmation, from 1; 0 when there is none
	// Timeout is the time left in nanoseconds.
	Timeout int64
	Status  flow.Status
	State   flow.State
	Result  Result
	Seen    Result // of a Dropped packet, what rules saw of it before its confirmation or its helper dropped it
	Reply   bool   // the packet went in the flow's reply direction
	Gone    bool   // the packet removed its own flow
	Reason  Reason
}

// Reason is why conntrack found a packet invalid, or ignored it, as log_invalid would say it.
type Reason struct {
	ends  *[2]netip.Addr // of an ICMP error that came to the wrong host
	n, m  uint32
	code  reasonCode
	proto uint8
	dir   uint8
	class uint8
	state uint8
}

type reasonCode uint8

const (
	noReason reasonCode = iota
	reasonIgnored
	reasonInvalid
	reasonChallenge
	reasonRst
	reasonOvershoot
	reasonSeqHigh
	reasonAckHigh
	reasonSeqLow
	reasonAckLow
	reasonLowered
	reasonTruncated
	reasonChecksum
	reasonFlags
	reasonShort
	reasonMalformed
	reasonICMPChecksum
	reasonICMPv6Checksum
	reasonICMPType
	reasonInvalidNew
	reasonCRC
	reasonDestination
	reasonTag
	reasonSCTPState
	reasonShortSCTP
	reasonCoverage
	reasonNoSum
	reasonShortRedirect
	reasonFarRedirect
	reasonBareRedirect
	reasonDCCPType
	reasonDCCPTransition
	reasonDCCPIgnored
	reasonPartial
	reasonNoExpectation
)

// String is the kernel's message, with log_invalid's prefix; "" when there is none.
func (r Reason) String() string {
	if r.code == noReason {
		return ""
	}
	switch r.code {
	case reasonPartial:
		return "nf_ct_ftp: dropping packet: partial matching of `" + ftpWords[r.dir][r.class] + "'"
	case reasonNoExpectation:
		return "nf_ct_ftp: dropping packet: cannot add expectation"
	}
	return fmt.Sprintf("nf_ct_proto_%d: %s", r.proto, r.text())
}

// Logged reports whether the kernel hands the reason to its loggers with log_invalid at this value: 0 is none, 255
// all, else those of the protocol with this number. What a helper says is logged in any case.
func (r Reason) Logged(logInvalid uint8) bool {
	switch r.code {
	case noReason:
		return false
	case reasonPartial, reasonNoExpectation:
		return true
	}
	return logInvalid == 255 || logInvalid == r.proto
}

func (r Reason) text() string {
	st := tcpStateNames[min(int(r.state), len(tcpStateNames)-1)]
	switch r.code {
	case reasonIgnored:
		return fmt.Sprintf("packet (index %d) in dir %d ignored, state %s", r.class, r.dir, st)
	case reasonInvalid:
		return fmt.Sprintf("packet (index %d) in dir %d invalid, state %s", r.class, r.dir, st)
	case reasonOvershoot:
		return fmt.Sprintf("%d bytes more than expected", r.n)
	case reasonTag: // the kernel prints the tags as they lie in memory
		return fmt.Sprintf("verification tag check failed %x vs %x for dir %d", bits.ReverseBytes32(r.n), bits.ReverseBytes32(r.m), r.dir)
	case reasonSCTPState:
		return fmt.Sprintf("Invalid, old_state %d, dir %d, type %d", r.state, r.dir, r.n)
	case reasonDestination:
		return fmt.Sprintf("outer daddr %s != inner %s", r.ends[0].StringExpanded(), r.ends[1].StringExpanded())
	case reasonSeqHigh:
		return fmt.Sprintf("SEQ is over upper bound %d (over the window of the receiver)", r.n)
	case reasonAckHigh:
		return fmt.Sprintf("ACK is over upper bound %d (ACKed data not seen yet)", r.n)
	case reasonSeqLow:
		return fmt.Sprintf("SEQ is under lower bound %d (already ACKed data retransmitted)", r.n)
	case reasonAckLow:
		return fmt.Sprintf("ignored ACK under lower bound %d (possible overly delayed)", r.n)
	case reasonLowered:
		return fmt.Sprintf("packet (index %d, dir %d) response for index %d lower timeout to %d", r.class, r.dir, r.state, r.n)
	}
	return [...]string{reasonChallenge: "challenge-ack ignored", reasonRst: "invalid rst", reasonTruncated: "truncated packet",
		reasonChecksum: "bad checksum", reasonFlags: "invalid tcp flag combination", reasonShort: "short packet",
		reasonMalformed: "truncated/malformed packet", reasonICMPChecksum: "bad hw icmp checksum",
		reasonICMPv6Checksum: "ICMPv6 checksum failed", reasonICMPType: "invalid icmp type", reasonInvalidNew: "invalid new",
		reasonCRC:       "nf_ct_sctp: bad CRC",
		reasonShortSCTP: "nf_ct_sctp: short packet", reasonCoverage: "invalid checksum coverage", reasonNoSum: "checksum missing",
		reasonShortRedirect: "short redirect", reasonFarRedirect: "invalid saddr or hoplimit for redirect",
		reasonBareRedirect: "redirect without options", reasonDCCPType: "nf_ct_dccp: reserved packet type",
		reasonDCCPTransition: "invalid state transition", reasonDCCPIgnored: "invalid packet"}[r.code]
}
