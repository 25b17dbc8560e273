package flow

// Expectation is one entry of the expectation table: a flow that a helper waits for.
type Expectation struct {
	Family Family
	// Master is the flow whose helper expects; Tuple with Mask is what it expects.
	Master, Tuple, Mask Tuple
	Timeout             uint32 // seconds left; the timer of the master's helper
	ID                  uint32
	Zone                uint16
	Class               uint32
	Flags               ExpectFlags
	Helper              string
	Func                string // the kernel's callback, for NAT
	// NATDir and NATTuple are the address translation that the expected flow will get.
	NAT      bool
	NATDir   uint32
	NATTuple Tuple
	Unknown  []byte // attributes that this version does not know, as received
}

// ExpectFlags are the kernel's bits of an expectation.
type ExpectFlags uint32

// Expectation flags.
const (
	ExpectPermanent ExpectFlags = 1 << iota
	ExpectInactive
	ExpectUserspace
)
