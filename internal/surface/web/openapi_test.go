package web

import (
	"os"
	"strings"
	"testing"

	"ctkeeper/internal/surface/web/openapitest"
)

// TestEveryRouteAnswersAsItIsDescribed asks every path of the document, rightly and wrongly.
func TestEveryRouteAnswersAsItIsDescribed(t *testing.T) {
	d, err := openapitest.Parse(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	h := handler(t, Options{Host: "db1", Version: "1"})
	asked := map[string]bool{"/api/v1/events": true} // TestEvents reads it
	for _, target := range []string{"/api/v1/snapshot", "/api/v1/flows", "/api/v1/flows?by=state", "/api/v1/flows?by=idle", "/api/v1/flows?filter=src+1.2.3.4&list=2", "/api/v1/flows?by=x", "/api/v1/flows?namespace=x",
		"/api/v1/flows?filter=zone+77", "/api/v1/findings", "/api/v1/findings?lang=fr", "/api/v1/settings", "/api/v1/settings?namespace=x", "/api/v1/history", "/api/v1/history?last=x", "/api/v1/incidents", "/api/v1/incidents?limit=0",
		"/api/v1/incidents/20261123T000000Z-1", "/api/v1/incidents/x", "/api/v1/whatif", "/api/v1/whatif?set=max%3D9", "/api/v1/whatif?set=x", "/api/v1/whatif?namespace=web-pod", "/api/v1/words", "/api/v1/openapi.json"} {
		path, _, _ := strings.Cut(target, "?")
		if strings.HasPrefix(path, "/api/v1/incidents/") {
			path = "/api/v1/incidents/{id}"
		}
		asked[path] = true
		w := ask(h, "GET", target, nil)
		if faults := d.Faults(path, w.Code, w.Body.Bytes()); len(faults) > 0 {
			t.Errorf("%s, %d: %s", target, w.Code, strings.Join(faults[:min(len(faults), 8)], "; "))
		}
	}
	for path, item := range d.Paths {
		if !asked[path] {
			t.Errorf("%s is described and was not asked", path)
		}
		for _, code := range []string{"401", "403", "405"} {
			if _, ok := item.Get.Responses[code]; !ok {
				t.Errorf("%s does not describe %s", path, code)
			}
		}
	}
	source, err := os.ReadFile("web.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(source), `"GET /api/v1/`)[1:] {
		if path := "/api/v1/" + part[:strings.IndexByte(part, '"')]; !asked[path] {
			t.Errorf("%s is served and not described", path)
		}
	}
}

// TestTheCheckFindsFaults: the check itself says no.
func TestTheCheckFindsFaults(t *testing.T) {
	d, err := openapitest.Parse(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{`{"error":"x"}`: "", `{"error":5}`: "integer, not string", `{}`: "is missing", `{"error":"x","more":1}`: "not described", `x`: "invalid"} {
		if got := strings.Join(d.Faults("/api/v1/flows", 404, []byte(text)), "; "); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if len(d.Faults("/api/v1/flows", 418, []byte("{}"))) == 0 {
		t.Error("a code that is not described passes")
	}
}
