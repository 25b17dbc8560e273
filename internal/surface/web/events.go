package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// latest is the snapshot as streams send it, made once for all of them.
type latest struct {
	mu   sync.Mutex
	at   time.Time
	body []byte
	err  error
}

// event is what is known now without the rankings, which are asked for when a table was read anew.
func (s *server) event() ([]byte, error) {
	s.now.mu.Lock()
	defer s.now.mu.Unlock()
	if time.Since(s.now.at) > 900*time.Millisecond {
		doc := s.document()
		for i := range doc.Namespaces {
			doc.Namespaces[i].Flows = nil
		}
		s.now.body, s.now.err = json.Marshal(doc)
		s.now.at = time.Now()
	}
	return s.now.body, s.now.err
}

// stream sends what is known every second until the reader goes.
func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case s.events <- struct{}{}:
		defer func() { <-s.events }()
	default:
		refuse(w, BusyError{10 * time.Second})
		return
	}
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		body, err := s.event()
		if err != nil {
			return
		}
		if err := c.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "event: snapshot\ndata: %s\n\n", body); err != nil {
			return
		}
		if err := c.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
