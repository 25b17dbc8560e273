package plan

import (
	"testing"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/conntrack/message"
)

// keptPast is a history with a peak.
func keptPast(highest float64) *History {
	at := time.Unix(1699900000, 0).UTC()
	return &History{Source: "/var/lib/ctkeeper/history.db", Past: demand.Past{From: at.Add(-240 * time.Hour), To: at, At: at, Peak: demand.Peak{Highest: highest}}}
}

func reasonOf(p *Plan, setting string) message.Message {
	for _, st := range p.Steps {
		if st.Setting == setting {
			return st.Reason
		}
	}
	for _, k := range p.Kept {
		if k.Setting == setting {
			return k.Why
		}
	}
	return message.Message{}
}

// TestHistoryAddsToWhatIsSeen: a plan knows the peak of the days before, and is never for less than what it would
// be without a history.
func TestHistoryAddsToWhatIsSeen(t *testing.T) {
	full, soon, late := 40.0, 30.0, 55.0
	growing := keptPast(5000)
	growing.Growth = &demand.Growth{Trend: demand.Filling, Week: 500, WeekLow: 400, WeekHigh: 700, Full: &full, Soonest: &soon, Latest: &late}
	refused := keptPast(9000)
	refused.Refused = 12
	for _, c := range []struct {
		name  string
		count int64
		past  *History
		max   int64 // 0: left alone
		code  string
	}{
		{"quiet now, and nothing kept", 1000, nil, 0, "keep_max_roomy"},
		{"quiet now and before", 1000, keptPast(4000), 0, "keep_max_past"},
		{"quiet now, and not before", 1000, keptPast(9000), 18432, "reason_max_past"},
		{"quiet now, and refused before", 1000, refused, 20480, "reason_max_past_full"},
		{"busier now than ever", 9000, keptPast(4000), 18432, "reason_max"},
		{"growing", 1000, growing, 14336, "reason_max_growth"},
	} {
		p := mustMake(t, server(c.count, 10240, 800), Options{History: c.past})
		why := reasonOf(&p, "max")
		got := int64(0)
		for _, st := range p.Steps {
			if st.Setting == "max" {
				got = st.To
			}
		}
		if got != c.max || why.Code != c.code {
			t.Errorf("%s: max %d because of %s, want %d and %s", c.name, got, why.Code, c.max, c.code)
		}
		if (p.History != nil) != (c.past != nil) {
			t.Errorf("%s: history %v", c.name, p.History)
		}
	}
}

// TestSampledRecordingIsScaled: a recording of a quarter of the flows plans for all of them.
func TestSampledRecordingIsScaled(t *testing.T) {
	all := measure(t, basis(2048), parse(t, of("5m", "40 443 lasts: 5s; every: 1s"))).Chosen()
	b := basis(2048)
	b.Share = 0.25
	m := measure(t, b, parse(t, of("5m", "10 443 lasts: 5s; every: 1s")))
	a := m.Chosen()
	if a.Name != RaiseMax || a.Refused.High != 0 || a.Max < all.Max || a.Max > all.Max*5/4 {
		t.Errorf("of a quarter: %+v, of all: %+v", a, all)
	}
	if d := m.Demand; d.Flows < 11000 || d.Flows > 13000 || m.Share != 0.25 || d.Classes[0].Rate < 20 {
		t.Errorf("demand %+v share %v", d, m.Share)
	}
	if now := m.row(Present); now.Refused.High == 0 || now.Fits {
		t.Errorf("as it is: %+v", now)
	}
}
