package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// guard stands before every handler: host and origin, token, rate, headers.
type guard struct {
	next http.Handler
	o    Options
	mu   sync.Mutex
	rate map[string]*bucket
}

func newGuard(next http.Handler, o Options) http.Handler {
	return &guard{next: next, o: o, rate: map[string]*bucket{}}
}

// policy lets the page load what comes with it, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP lets a request through or refuses it.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	switch {
	case !g.allowed(r):
		h.Set("WWW-Authenticate", `Basic realm="ctkeeper", charset="UTF-8"`)
		http.Error(w, "wrong token, or none", http.StatusUnauthorized)
	case !g.known(r.Host) || !g.sameOrigin(r):
		http.Error(w, "this host or origin is not served", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "nothing can be changed here", http.StatusMethodNotAllowed)
	case !g.inRate(r.RemoteAddr):
		h.Set("Retry-After", "1")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	case !tidy(r.URL.EscapedPath()):
		refuse(w, NotFoundError("such route"))
	default:
		g.next.ServeHTTP(w, r)
	}
}

// tidy reports whether a path has no empty, "." or ".." segment: the mux would answer those with a redirect made of them.
func tidy(p string) bool {
	clean := path.Clean(p)
	return p == clean || p == clean+"/" && clean != "/"
}

// allowed checks the token in constant time.
func (g *guard) allowed(r *http.Request) bool {
	if g.o.Token == "" {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, _ = r.BasicAuth()
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(g.o.Token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// known reports whether a Host header is one of ours.
func (g *guard) known(hostport string) bool {
	if g.o.AnyHost {
		return true
	}
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return true
	}
	return strings.EqualFold(host, "localhost") || slices.ContainsFunc(g.o.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// sameOrigin refuses what another site's page asks for.
func (g *guard) sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

const (
	ratePerSecond = 30
	rateBurst     = 120
	maxClients    = 1024
)

// bucket is a client's allowance.
type bucket struct {
	left float64
	at   time.Time
}

// inRate takes one request from the client's allowance.
func (g *guard) inRate(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	now := g.o.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.rate[host]
	if b == nil {
		if len(g.rate) >= maxClients {
			g.rate = map[string]*bucket{}
		}
		b = &bucket{left: rateBurst, at: now}
		g.rate[host] = b
	}
	b.left = min(b.left+now.Sub(b.at).Seconds()*ratePerSecond, rateBurst)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
