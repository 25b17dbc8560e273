package model

// TCP states, by the kernel's numbers; then what the table says instead of a state, and the two timers
// that are no state's.
const (
	stNone uint8 = iota
	stSynSent
	stSynRecv
	stEstablished
	stFinWait
	stCloseWait
	stLastAck
	stTimeWait
	stClose
	stSynSent2
	stIgnore
	stInvalid

	toRetrans   = 10
	toUnack     = 11
	tcpTimeouts = 12
)

var tcpStateNames = [...]string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2", ""}

// TCP flags of a direction.
const (
	fWindowScale uint8 = 1 << iota
	fSackPerm
	fCloseInit
	fBeLiberal
	fUnacked
	fMaxAck
	fExpectChallenge
	fSimultaneous
)

// SCTP states, by the kernel's numbers.
const (
	scNone uint8 = iota
	scClosed
	scCookieWait
	scCookieEchoed
	scEstablished
	scShutdownSent
	scShutdownRecd
	scShutdownAckSent
	scHeartbeatSent
	scHeartbeatAcked
	scInvalid
	scKeep
)
