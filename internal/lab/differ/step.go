package differ

import (
	"fmt"
	"time"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/lab/oracle"
)

// running is one run of many lanes.
type running struct {
	*Bench
	lanes []lane
	bad   map[int]string
	udp   bool
	// slowest is the longest step: a timer that no later packet moves was set at some moment of its own step.
	slowest time.Duration
}

// step plays every lane's next packet, or the wait or change that all share.
func (r *running) step(step int) error {
	var packets [][]byte
	var who []int
	var common oracle.Packet
	for i := range r.lanes {
		if step >= len(r.lanes[i].sequence) || r.bad[i] != "" {
			continue
		}
		switch p := r.lanes[i].sequence[step].(type) {
		case oracle.Wait, oracle.Setting:
			common = p
		default:
			packets, who = append(packets, r.lanes[i].talk.Append(nil, p)), append(who, i)
		}
	}
	if common != nil && len(who) > 0 {
		return fmt.Errorf("%s stands beside a packet", common)
	}
	switch c := common.(type) {
	case oracle.Wait:
		return r.wait(time.Duration(c), r.udp)
	case oracle.Setting:
		return r.Change(c.Name, c.Value)
	}
	if err := r.feed(packets, who, step); err != nil {
		return err
	}
	return r.compareTables(step)
}

// feed gives the lanes' packets to both sides and notes what differs.
func (r *running) feed(packets [][]byte, who []int, step int) error {
	start := time.Now()
	answers, err := r.Feed(packets)
	if err != nil {
		return err
	}
	took := time.Since(start)
	r.slowest = max(r.slowest, took)
	for j, i := range who {
		if answers[j].Diff != "" {
			r.bad[i] = fmt.Sprintf("packet %d: %s", step+1, answers[j].Diff)
		}
	}
	return r.clock.steady(r.udp, took)
}

// Answer is what both sides made of a packet, and how they differ.
type Answer struct {
	Verdict model.Verdict
	Report  oracle.Report
	Diff    string
}

// Feed gives packets of different flows to both sides, all at one time of the model.
func (b *Bench) Feed(packets [][]byte) ([]Answer, error) {
	reports, answers := make([]oracle.Report, len(packets)), make([]Answer, len(packets))
	now := b.clock.now()
	if err := b.Kernel.Feed(packets, reports); err != nil {
		return nil, err
	}
	settings := b.Model.Settings()
	var p packet.Packet
	for i := range packets {
		b.decoder(packets[i]).IP(now, packets[i], &p)
		v := b.Model.Step(now, &p)
		answers[i] = Answer{v, reports[i], compareReport(&settings, v, reports[i])}
	}
	return answers, nil
}

func (b *Bench) decoder(ip []byte) *packet.Decoder {
	if len(b.zoned) > 0 && len(ip) > 1 && ip[0]>>4 == 4 && b.zoned[ip[1]] != nil {
		return b.zoned[ip[1]]
	}
	return b.d
}

// compareReport says how a verdict differs from the kernel's report, or "". A packet that is dropped has no report.
func compareReport(s *model.Settings, v model.Verdict, r oracle.Report) string {
	got, reason := v.Result.String(), v.Reason.String()
	if v.Result == model.Dropped || v.Result == model.IPDropped || v.Result == model.FragQueued || v.Result == model.Refused {
		got = oracle.Lost.String()
	}
	if !v.Reason.Logged(s.LogInvalid) {
		reason = ""
	}
	if got != r.Result.String() || v.Reply != r.Reply && r.Result >= oracle.New || reason != r.Reason {
		return fmt.Sprintf("%s reply=%v %q, kernel %s reply=%v %q", got, v.Reply, reason, r.Result, r.Reply, r.Reason)
	}
	return ""
}
