package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// serviceNotifier tells systemd how the service stands (sd_notify); without systemd it does nothing.
type serviceNotifier struct{ socket string }

func newServiceNotifier() *serviceNotifier {
	return &serviceNotifier{os.Getenv("NOTIFY_SOCKET")}
}

func (n *serviceNotifier) send(state string) {
	if n.socket == "" {
		return
	}
	name := n.socket
	if name[0] == '@' {
		name = "\x00" + name[1:]
	}
	if c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}); err == nil {
		_, _ = c.Write([]byte(state)) // systemd is the one to notice that nothing comes
		_ = c.Close()
	}
}

// every is how often the watchdog wants to hear: half of its time, or 10 s without one.
func (n *serviceNotifier) every() time.Duration {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec < 2000 {
		return 10 * time.Second
	}
	return min(time.Duration(usec)*time.Microsecond/2, 10*time.Second)
}

// notifier posts incidents to webhooks, each a few times, in the order in which they came.
type notifier struct {
	mu    sync.Mutex
	hooks []serveWebhook
	queue chan snapshot.Incident
	log   *slog.Logger
	post  http.Client
	pause time.Duration // before the second try
}

// queueSize bounds the incidents that wait for a webhook that does not answer.
const (
	queueSize  = 64
	hookTries  = 5
	firstPause = 2 * time.Second
)

func newNotifier(log *slog.Logger) *notifier {
	return &notifier{queue: make(chan snapshot.Incident, queueSize), log: log, post: http.Client{Timeout: 10 * time.Second}, pause: firstPause}
}

// tell changes who is told from now on.
func (n *notifier) tell(hooks []serveWebhook) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hooks = hooks
}

func (n *notifier) to() []serveWebhook {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hooks
}

// incident logs it and queues it; a full queue drops the newest, and says so.
func (n *notifier) incident(i snapshot.Incident) {
	msg := "incident began"
	if !i.Ended.IsZero() {
		msg = "incident ended"
	}
	n.log.Warn(msg, "id", i.ID, "namespace", i.Namespace, "refused", i.Refused, "peak", i.Peak, "max", i.Max, "pressure", i.PeakPressure)
	if len(n.to()) == 0 {
		return
	}
	select {
	case n.queue <- i:
	default:
		n.log.Error("too many incidents wait for the webhooks; this one is not sent", "id", i.ID)
	}
}

func (n *notifier) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			if left := len(n.queue); left > 0 {
				n.log.Error("ended before the webhooks were told", "incidents", left)
			}
			return
		case i := <-n.queue:
			for _, h := range n.to() {
				n.deliver(ctx, h, i)
			}
		}
	}
}

func (n *notifier) deliver(ctx context.Context, h serveWebhook, i snapshot.Incident) {
	body, err := hookBody(h.Format, i)
	if err != nil {
		n.log.Error("webhook", "error", err)
		return
	}
	pause := n.pause
	for try := 1; ; try++ {
		err := n.once(ctx, h.URL, body)
		if err == nil {
			return
		}
		if try == hookTries || ctx.Err() != nil {
			n.log.Error("webhook given up", "url", h.URL, "incident", i.ID, "tries", try, "error", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause *= 2
		}
	}
}

func (n *notifier) once(ctx context.Context, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := n.post.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

// hookBody is an incident in the form that a receiver understands.
func hookBody(format string, i snapshot.Incident) ([]byte, error) {
	host, _ := os.Hostname()
	text := fmt.Sprintf("%s: the conntrack table of %s refused %d packets (peak %d of %d)", host, i.Namespace, i.Refused, i.Peak, i.Max)
	if i.Refused == 0 {
		text = fmt.Sprintf("%s: the conntrack table of %s is under pressure (%.0f %% held, peak %d of %d)", host, i.Namespace, 100*i.PeakPressure, i.Peak, i.Max)
	}
	if !i.Ended.IsZero() {
		text += fmt.Sprintf("; over after %s", i.Ended.Sub(i.Began).Round(time.Second))
	}
	switch format {
	case "slack":
		return json.Marshal(map[string]string{"text": text})
	case "alertmanager":
		alert := map[string]any{"labels": map[string]string{"alertname": "CtkeeperIncident", "instance": host, "namespace": i.Namespace, "severity": "critical", "incident": i.ID},
			"annotations": map[string]string{"summary": text}, "startsAt": i.Began}
		if !i.Ended.IsZero() {
			alert["endsAt"] = i.Ended
		}
		return json.Marshal([]any{alert})
	}
	return json.Marshal(map[string]any{"schema": "ctkeeper.incident/1", "host": host, "text": text, "incident": i})
}
