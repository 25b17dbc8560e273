package main

import (
	"math"
	"strconv"
	"strings"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/plan"
)

// past shows what the history knows.
func (p *page) past(h *plan.History) {
	at := func(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
	k := &h.Peak
	text := []string{p.of("past_head", "source", h.Source, "from", at(h.From), "to", at(h.To), "highest", k.Highest, "at", at(h.At))}
	say := func(code string, pairs ...any) { text = append(text, p.of(code, pairs...)) }
	pairs := []any{"quantile", k.Quantile, "block", int64(max(k.Block, 1)), "level", k.Level, "confidence", k.Confidence}
	if k.Low != nil && k.High != nil {
		say("past_peak_sure", append(pairs, "low", *k.Low, "high", *k.High)...)
	} else {
		say("past_peak", pairs...)
	}
	if h.Refused > 0 {
		say("past_refused", "refused", h.Refused)
	}
	if h.Burst {
		say("past_burst")
	}
	if most, least, ok := ends(h.Hours); ok {
		say("past_hours", "most", most, "least", least, "times", h.Hours[most]/h.Hours[least])
	}
	if most, least, ok := ends(h.Weekdays); ok {
		say("past_weekdays", "most", p.say("weekday_"+strconv.Itoa(most)), "least", p.say("weekday_"+strconv.Itoa(least)), "times", h.Weekdays[most]/h.Weekdays[least])
	}
	p.growth(h.Growth, say)
	p.WriteString("\n")
	p.wrap("", "", strings.Join(text, " "))
}

// apart: from so many times between the highest and the lowest there is a shape to speak of.
const apart = 1.2

// ends are where figures are highest and lowest, when they are apart.
func ends(all []float64) (most, least int, ok bool) {
	for i, v := range all {
		if v > all[most] {
			most = i
		}
		if v < all[least] {
			least = i
		}
	}
	return most, least, len(all) > 0 && all[least] > 0 && all[most] >= apart*all[least]
}

// growth says how the days' peaks go.
func (p *page) growth(g *demand.Growth, say func(code string, pairs ...any)) {
	days := func(d *float64) string {
		if d == nil {
			return p.say("past_far")
		}
		return p.count(uint64(math.Round(*d)))
	}
	switch {
	case g == nil:
		say("past_young")
	case g.Trend == demand.Falling:
		say("past_falling", "fall", -g.Week)
	case g.Trend != demand.Filling:
		say("past_level")
	case g.Full == nil:
		say("past_slow", "week", g.Week, "low", g.WeekLow, "high", g.WeekHigh)
	default:
		say("past_filling", "week", g.Week, "low", g.WeekLow, "high", g.WeekHigh, "days", days(g.Full), "soonest", days(g.Soonest), "latest", days(g.Latest))
	}
}
