package flow

import "math/bits"

// Status is the kernel's status bit set; bit numbers are ABI.
type Status uint32

// Status bits.
const (
	Expected     Status = 1 << 0
	SeenReply    Status = 1 << 1
	Assured      Status = 1 << 2
	Confirmed    Status = 1 << 3
	SrcNAT       Status = 1 << 4
	DstNAT       Status = 1 << 5
	SeqAdjust    Status = 1 << 6
	SrcNATDone   Status = 1 << 7
	DstNATDone   Status = 1 << 8
	Dying        Status = 1 << 9
	FixedTimeout Status = 1 << 10
	Template     Status = 1 << 11
	NATClash     Status = 1 << 12
	Helper       Status = 1 << 13
	Offload      Status = 1 << 14
	HWOffload    Status = 1 << 15
)

var statusNames = [...]string{
	"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SRC_NAT", "DST_NAT", "SEQ_ADJUST", "SRC_NAT_DONE",
	"DST_NAT_DONE", "DYING", "FIXED_TIMEOUT", "TEMPLATE", "NAT_CLASH", "HELPER", "OFFLOAD", "HW_OFFLOAD",
}

// Names lists the kernel's names of the bits that are set, CONFIRMED left out, in bit order.
func (s Status) Names() []string {
	var names []string
	for i, n := range statusNames {
		if s&(1<<i) != 0 && Status(1<<i) != Confirmed {
			names = append(names, n)
		}
	}
	return names
}

// name is the kernel's name of one bit.
func (s Status) name() string { return statusNames[bits.TrailingZeros32(uint32(s))] }

// ParseStatus returns the bit of a kernel status name.
func ParseStatus(name string) (Status, bool) {
	for i, n := range statusNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}
