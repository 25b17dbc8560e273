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

// TestASampleScattersMore: of a quarter of the flows, the same peak is less sure and needs more room.
func TestASampleScattersMore(t *testing.T) {
	b := basis(2048)
	all := b.least(100000)
	b.Share = 0.25
	if of := b.least(100000); of <= all || float64(of) > 130000+3*2*361+512 {
		t.Errorf("%d of a quarter, %d of all", of, all)
	}
}

func TestWhatARecordLacksIsNoted(t *testing.T) {
	m := measure(t, basis(2048), parse(t, of("1m", "40 443 lasts: 5s; every: 1s")))
	m.Lost, m.Unseen, m.Share = 3, 4, 0.5
	p := mustMake(t, server(1000, 2048, 800), Options{Measured: m})
	for _, code := range []string{"note_measured_lost", "note_measured_refused", "note_measured_share"} {
		found := false
		for _, n := range p.Notes {
			found = found || n.Code == code
		}
		if !found {
			t.Errorf("%s is not said: %+v", code, p.Notes)
		}
	}
}
