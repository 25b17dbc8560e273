package oracle

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// TestParse: what a packet prints is read as a packet of the same bytes.
func TestParse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all := []Packet{Wait(90 * time.Second), Setting{"udp_timeout", 30}}
	for _, alphabet := range [][]Packet{TCPAlphabet(), UDPAlphabet(), UDPLiteAlphabet(), OtherAlphabet(), ICMPAlphabet(), ICMPv6Alphabet(),
		SCTPAlphabet(), FTPAlphabet(), PPTPAlphabet(), GREAlphabet(), RandomTCP(r, 2000)} {
		all = append(all, alphabet...)
	}
	a, b := pair(1, false)
	for _, p := range all {
		got, err := Parse(p.String())
		if err != nil {
			t.Error(err)
			continue
		}
		if got.String() != p.String() {
			t.Errorf("%s is read as %s", p, got)
		}
		want, same := NewConversation(a, b, 5).Append(nil, p), NewConversation(a, b, 5).Append(nil, got)
		if !bytes.Equal(want, same) {
			t.Errorf("%s is read as a packet of other bytes", p)
		}
	}
	for _, line := range []string{"", "SA", ">Q", ">S win=70000", ">S win=1 win=2", ">proto=17 odd=1", "wait=soon", ">sctp=300", `>A text="`, ">S sackok=2"} {
		if p, err := Parse(line); err == nil {
			t.Errorf("%q is read as %s", line, p)
		}
	}
}
