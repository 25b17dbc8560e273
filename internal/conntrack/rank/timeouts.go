package rank

import "ctkeeper/internal/conntrack/flow"

// Timeouts are a namespace's configured timeouts in seconds, by the registry's logical name
// ("tcp_timeout_established", "udp_timeout_stream").
type Timeouts struct {
	states [4][states]int64 // TCP's, SCTP's, DCCP's, others'; notKnown when it is not
	protos [256][2]int64    // before a reply, after; notKnown for protocols with states or without a setting
	other  int64            // generic_timeout
	// short is the longest of the timers that the kernel sets instead of a state's own, when data is
	// unacknowledged or was sent too often: a TCP flow with less time left may have had either.
	short int64
}

// stateNames are the settings by TCP and SCTP state; SYN_SENT2 has none.
var stateNames = [...]struct {
	state flow.State
	name  string
}{
	{flow.TCPSynSent, "tcp_timeout_syn_sent"}, {flow.TCPSynRecv, "tcp_timeout_syn_recv"},
	{flow.TCPEstablished, "tcp_timeout_established"}, {flow.TCPFinWait, "tcp_timeout_fin_wait"},
	{flow.TCPCloseWait, "tcp_timeout_close_wait"}, {flow.TCPLastAck, "tcp_timeout_last_ack"},
	{flow.TCPTimeWait, "tcp_timeout_time_wait"}, {flow.TCPClose, "tcp_timeout_close"},
	{flow.SCTPClosed, "sctp_timeout_closed"}, {flow.SCTPCookieWait, "sctp_timeout_cookie_wait"},
	{flow.SCTPCookieEchoed, "sctp_timeout_cookie_echoed"}, {flow.SCTPEstablished, "sctp_timeout_established"},
	{flow.SCTPShutdownSent, "sctp_timeout_shutdown_sent"}, {flow.SCTPShutdownRecd, "sctp_timeout_shutdown_recd"},
	{flow.SCTPShutdownAckSent, "sctp_timeout_shutdown_ack_sent"}, {flow.SCTPHeartbeatSent, "sctp_timeout_heartbeat_sent"},
	{flow.SCTPHeartbeatAcked, "sctp_timeout_heartbeat_acked"},
	{flow.DCCPRequest, "dccp_timeout_request"}, {flow.DCCPRespond, "dccp_timeout_respond"},
	{flow.DCCPPartOpen, "dccp_timeout_partopen"}, {flow.DCCPOpen, "dccp_timeout_open"},
	{flow.DCCPCloseReq, "dccp_timeout_closereq"}, {flow.DCCPClosing, "dccp_timeout_closing"},
	{flow.DCCPTimeWait, "dccp_timeout_timewait"},
}

// protoNames are the settings of protocols without states: before a reply and after.
var protoNames = [...]struct {
	proto flow.Proto
	names [2]string
}{
	{flow.UDP, [2]string{"udp_timeout", "udp_timeout_stream"}}, {flow.UDPLite, [2]string{"udp_timeout", "udp_timeout_stream"}},
	{flow.GRE, [2]string{"gre_timeout", "gre_timeout_stream"}}, {flow.ICMP, [2]string{"icmp_timeout", "icmp_timeout"}},
	{flow.ICMPv6, [2]string{"icmpv6_timeout", "icmpv6_timeout"}},
}

// notKnown stands for a timeout without a setting that was given.
const notKnown = -1

// NewTimeouts takes the configured timeouts; a name that is missing is not known.
func NewTimeouts(byName map[string]int64) *Timeouts {
	t := &Timeouts{
		other: byName["generic_timeout"],
		short: max(300, byName["tcp_timeout_max_retrans"], byName["tcp_timeout_unacknowledged"]),
	}
	for i := range t.states {
		for j := range t.states[i] {
			t.states[i][j] = notKnown
		}
	}
	for _, s := range stateNames {
		if v, ok := byName[s.name]; ok {
			t.states[stateTable(s.state.Proto())][s.state.Number()] = v
		}
	}
	for p := range t.protos {
		t.protos[p] = [2]int64{notKnown, notKnown}
	}
	for _, p := range protoNames {
		t.protos[p.proto] = [2]int64{byName[p.names[0]], byName[p.names[1]]}
	}
	return t
}

// stateTable is the place of a protocol's states.
func stateTable(p flow.Proto) int {
	switch p {
	case flow.TCP:
		return 0
	case flow.SCTP:
		return 1
	case flow.DCCP:
		return 2
	}
	return 3
}

// Configured returns the timeout that the flow's last packet set if no special rule applied.
func (t *Timeouts) Configured(fl *flow.Flow) (int64, bool) {
	if fl.State != flow.NoState {
		n := fl.State.Number()
		if n >= states {
			return 0, false
		}
		v := t.states[stateTable(fl.State.Proto())][n]
		return max(v, 0), v != notKnown
	}
	pair := &t.protos[fl.Proto()]
	if pair[0] == notKnown {
		return t.other, t.other > 0
	}
	v := pair[0]
	if t.long(fl) {
		v = pair[1]
	}
	return v, v > 0
}

// long reports whether the flow has its protocol's longer timer. UDP gets it with ASSURED; a GRE flow
// takes it as soon as it was answered.
func (t *Timeouts) long(fl *flow.Flow) bool {
	if fl.Proto() == flow.GRE {
		return fl.Status&flow.SeenReply != 0
	}
	return fl.Assured()
}

// Idle tells for how many seconds a flow has been idle: configured less remaining time. It is not known
// when the flow's timer is not refreshed by packets (fixed, offloaded), when more time is left than is
// configured (the setting was changed since), or when a TCP timer longer than the kernel's short ones
// has so little left that a short one may have been set.
func (t *Timeouts) Idle(fl *flow.Flow) (int64, bool) {
	if !fl.Has(flow.HasTimeout) || fl.Status&(flow.FixedTimeout|flow.Offload|flow.HWOffload|flow.NATClash) != 0 {
		return 0, false
	}
	conf, ok := t.Configured(fl)
	left := int64(fl.Timeout)
	if !ok || left > conf {
		return 0, false
	}
	if fl.Proto() == flow.TCP && conf > t.short && left <= t.short {
		return 0, false
	}
	return conf - left, true
}
