package model

import "ctkeeper/internal/conntrack/flow"

// Held is how many flows the kernel cannot reclaim by itself: assured and not closing. Of flows that
// expired, those that were not collected yet are among them.
func (m *Model) Held() int { return m.held }

// Advance runs the collector up to now, as time does when no packet comes; the first call or packet starts it.
func (m *Model) Advance(now int64) {
	m.now = max(m.now, now)
	if m.gc.next < m.now {
		m.collect(m.now)
	}
}

func holds(hd *head, tr *track) bool {
	return tr.status&uint16(flow.Assured) != 0 && !flow.MakeState(flow.Proto(hd.key.Proto()), tr.state).Closing()
}

// recount keeps held true when a flow may have changed from what it was.
func (m *Model) recount(before bool, hd *head, tr *track) {
	switch after := holds(hd, tr); {
	case after && !before:
		m.held++
	case before && !after:
		m.held--
	}
}
