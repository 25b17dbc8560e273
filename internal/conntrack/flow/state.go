package flow

// State is a protocol state. The protocol is part of the value, so that TCP's and SCTP's ESTABLISHED
// differ: the high byte is the protocol, the low byte the kernel's number.
type State uint16

// NoState is the state of flows whose protocol has none, and of flows whose source did not tell.
const NoState State = 0

// TCP states (enum tcp_conntrack, 6.18); TCPSynSent2 was LISTEN once.
const (
	TCPNone State = State(TCP)<<8 | iota
	TCPSynSent
	TCPSynRecv
	TCPEstablished
	TCPFinWait
	TCPCloseWait
	TCPLastAck
	TCPTimeWait
	TCPClose
	TCPSynSent2
)

// SCTP states (enum sctp_conntrack, 6.18). SCTPHeartbeatAcked exists on kernels before 6.1.
const (
	SCTPNone State = State(SCTP)<<8 | iota
	SCTPClosed
	SCTPCookieWait
	SCTPCookieEchoed
	SCTPEstablished
	SCTPShutdownSent
	SCTPShutdownRecd
	SCTPShutdownAckSent
	SCTPHeartbeatSent
	SCTPHeartbeatAcked
)

// DCCP states (enum ct_dccp_states, up to 6.14).
const (
	DCCPNone State = State(DCCP)<<8 | iota
	DCCPRequest
	DCCPRespond
	DCCPPartOpen
	DCCPOpen
	DCCPCloseReq
	DCCPClosing
	DCCPTimeWait
	DCCPIgnore
	DCCPInvalid
)

var (
	tcpStateNames  = [...]string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}
	sctpStateNames = [...]string{"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED"}
	dccpStateNames = [...]string{"NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID"}
)

func stateNames(p Proto) []string {
	switch p {
	case TCP:
		return tcpStateNames[:]
	case SCTP:
		return sctpStateNames[:]
	case DCCP:
		return dccpStateNames[:]
	}
	return nil
}

// MakeState joins a protocol and the kernel's number of a state.
func MakeState(p Proto, n uint8) State { return State(p)<<8 | State(n) }

// Proto is the protocol that the state belongs to.
func (s State) Proto() Proto { return Proto(s >> 8) }

// Number is the kernel's number of the state within its protocol.
func (s State) Number() uint8 { return uint8(s) }

// String is the kernel's name of the state; "" for NoState, UNKNOWN for a number it has no name for.
func (s State) String() string {
	if s == NoState {
		return ""
	}
	names := stateNames(s.Proto())
	if int(s.Number()) >= len(names) {
		return "UNKNOWN"
	}
	return names[s.Number()]
}

// ParseState returns the state of protocol p with the kernel's name.
func ParseState(p Proto, name string) (State, bool) {
	for i, n := range stateNames(p) {
		if n == name {
			return MakeState(p, uint8(i)), true
		}
	}
	if p == TCP && name == "LISTEN" {
		return TCPSynSent2, true
	}
	return NoState, false
}

// Closing reports whether a flow in this state may be taken by the garbage collector on a full table
// although it is assured.
func (s State) Closing() bool {
	switch s {
	case TCPFinWait, TCPCloseWait, TCPLastAck, TCPTimeWait, TCPClose,
		SCTPShutdownSent, SCTPShutdownRecd, SCTPShutdownAckSent,
		DCCPCloseReq, DCCPClosing, DCCPTimeWait:
		return true
	}
	return false
}
