package model

import "fmt"

const second = int64(1e9)

// Settings are the sysctls that a model runs under. Timeouts are nanoseconds.
type Settings struct {
	Max, Buckets, ExpectMax int64
	Checksum                bool // packets with a wrong checksum are invalid
	Acct                    bool // new flows are counted
	Timestamp               bool // new flows carry their start
	LogInvalid              uint8
	TCPLoose                bool
	TCPBeLiberal            bool
	TCPIgnoreInvalidRst     bool
	TCPMaxRetrans           int64
	// TCP is the timeout by state; the last two are RETRANS and UNACK.
	TCP  [tcpTimeouts]int64
	SCTP [10]int64
	DCCP [dccpStates]int64 // of kernels that track it
	// UDP is the timeout before and in the stream, GRE likewise.
	UDP, GRE              [2]int64
	ICMP, ICMPv6, Generic int64
}

// timeout returns where a named timeout is kept.
func (s *Settings) timeout(name string) *int64 {
	for i, n := range [tcpTimeouts]string{stSynSent: "syn_sent", stSynRecv: "syn_recv", stEstablished: "established",
		stFinWait: "fin_wait", stCloseWait: "close_wait", stLastAck: "last_ack", stTimeWait: "time_wait", stClose: "close",
		toRetrans: "max_retrans", toUnack: "unacknowledged"} {
		if n != "" && name == "tcp_timeout_"+n {
			return &s.TCP[i]
		}
	}
	for i, n := range [...]string{scClosed: "closed", scCookieWait: "cookie_wait", scCookieEchoed: "cookie_echoed", scEstablished: "established",
		scShutdownSent: "shutdown_sent", scShutdownRecd: "shutdown_recd", scShutdownAckSent: "shutdown_ack_sent",
		scHeartbeatSent: "heartbeat_sent", scHeartbeatAcked: "heartbeat_acked"} {
		if n != "" && name == "sctp_timeout_"+n {
			return &s.SCTP[i]
		}
	}
	for i, n := range [...]string{dcRequest: "request", dcRespond: "respond", dcPartOpen: "partopen", dcOpen: "open", dcCloseReq: "closereq",
		dcClosing: "closing", dcTimeWait: "timewait"} {
		if n != "" && name == "dccp_timeout_"+n {
			return &s.DCCP[i]
		}
	}
	switch name {
	case "udp_timeout":
		return &s.UDP[0]
	case "udp_timeout_stream":
		return &s.UDP[1]
	case "gre_timeout":
		return &s.GRE[0]
	case "gre_timeout_stream":
		return &s.GRE[1]
	case "icmp_timeout":
		return &s.ICMP
	case "icmpv6_timeout":
		return &s.ICMPv6
	case "generic_timeout":
		return &s.Generic
	}
	return nil
}

// Set changes a setting by its logical name ("tcp_loose", "udp_timeout") to the value that a sysctl
// would show. What exists keeps its timer until its next packet.
func (s *Settings) Set(name string, v int64) error {
	if t := s.timeout(name); t != nil {
		*t = v * second
		return nil
	}
	if b := s.boolean(name); b != nil {
		*b = v != 0
		return nil
	}
	if n := s.number(name); n != nil {
		*n = v
		return nil
	}
	if name == "log_invalid" {
		s.LogInvalid = uint8(v)
		return nil
	}
	return fmt.Errorf("the model has no setting %s", name)
}

// Get returns a setting by its logical name, as a sysctl would show it.
func (s *Settings) Get(name string) (int64, bool) {
	if t := s.timeout(name); t != nil {
		return *t / second, true
	}
	if b := s.boolean(name); b != nil {
		if *b {
			return 1, true
		}
		return 0, true
	}
	if n := s.number(name); n != nil {
		return *n, true
	}
	return int64(s.LogInvalid), name == "log_invalid"
}

func (s *Settings) boolean(name string) *bool {
	switch name {
	case "checksum":
		return &s.Checksum
	case "acct":
		return &s.Acct
	case "timestamp":
		return &s.Timestamp
	case "tcp_loose":
		return &s.TCPLoose
	case "tcp_be_liberal":
		return &s.TCPBeLiberal
	case "tcp_ignore_invalid_rst":
		return &s.TCPIgnoreInvalidRst
	}
	return nil
}

func (s *Settings) number(name string) *int64 {
	switch name {
	case "max":
		return &s.Max
	case "buckets":
		return &s.Buckets
	case "expect_max":
		return &s.ExpectMax
	case "tcp_max_retrans":
		return &s.TCPMaxRetrans
	}
	return nil
}

// Names are the settings that the model knows, in the registry's order.
func Names() []string {
	return []string{"max", "buckets", "expect_max", "checksum", "log_invalid", "acct", "timestamp", "generic_timeout", "icmp_timeout",
		"icmpv6_timeout", "udp_timeout", "udp_timeout_stream", "gre_timeout", "gre_timeout_stream", "tcp_timeout_syn_sent", "tcp_timeout_syn_recv",
		"tcp_timeout_established", "tcp_timeout_fin_wait", "tcp_timeout_close_wait", "tcp_timeout_last_ack", "tcp_timeout_time_wait",
		"tcp_timeout_close", "tcp_timeout_max_retrans", "tcp_timeout_unacknowledged", "tcp_loose", "tcp_be_liberal", "tcp_ignore_invalid_rst",
		"tcp_max_retrans", "sctp_timeout_closed", "sctp_timeout_cookie_wait", "sctp_timeout_cookie_echoed", "sctp_timeout_established",
		"sctp_timeout_shutdown_sent", "sctp_timeout_shutdown_recd", "sctp_timeout_shutdown_ack_sent", "sctp_timeout_heartbeat_sent"}
}

// Defaults are the settings of a fresh namespace under a profile, with the sizes of a machine of more
// than 4 GiB.
func Defaults(p Profile) Settings {
	s := Settings{Max: 262144, Buckets: 262144, ExpectMax: 4096, Checksum: true, TCPLoose: true, TCPMaxRetrans: 3,
		UDP: [2]int64{30 * second, 120 * second}, GRE: [2]int64{30 * second, 180 * second},
		ICMP: 30 * second, ICMPv6: 30 * second, Generic: 600 * second}
	for i, v := range [tcpTimeouts]int64{stSynSent: 120, stSynRecv: 60, stEstablished: 432000, stFinWait: 120, stCloseWait: 60,
		stLastAck: 30, stTimeWait: 120, stClose: 10, stSynSent2: 120, toRetrans: 300, toUnack: 300} {
		s.TCP[i] = v * second
	}
	sctp := [10]int64{scClosed: 10, scCookieWait: 3, scCookieEchoed: 3, scEstablished: 210, scShutdownSent: 3, scShutdownRecd: 3,
		scShutdownAckSent: 3, scHeartbeatSent: 30, scHeartbeatAcked: 210}
	for i, v := range sctp {
		s.SCTP[i] = v * second
	}
	for i, v := range [dccpStates]int64{dcRequest: 240, dcRespond: 480, dcPartOpen: 480, dcOpen: 43200, dcCloseReq: 64, dcClosing: 64, dcTimeWait: 240} {
		s.DCCP[i] = v * second
	}
	if p.OldSCTP {
		s.SCTP[scEstablished], s.SCTP[scShutdownSent], s.SCTP[scShutdownRecd] = 432000*second, 3*second/10, 3*second/10
	}
	if p.FewBuckets {
		s.Buckets = 65536
	}
	return s
}
