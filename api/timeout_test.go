package api

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine/upstream"
)

// The engine is told of the earliest of the deadlines that a request has.
func TestDeadlinesReachTheEngine(t *testing.T) {
	for name, c := range map[string]struct {
		client, proxy string
		configured    time.Duration
		want          time.Duration
	}{
		"none":            {},
		"0 is none":       {client: "0", proxy: "0"},
		"the client's":    {client: "3600000", proxy: "7200000", want: time.Hour},
		"the proxy's":     {client: "7200000", proxy: "3600000", want: time.Hour},
		"the configured":  {client: "7200000", configured: time.Hour, want: time.Hour},
		"without headers": {configured: time.Hour, want: time.Hour},
	} {
		s := newSite(t, func(cfg *Config) { cfg.Timeout = c.configured })
		begun := time.Now()
		got := s.post("/v1/chat/completions", `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}]}`,
			headerTimeout, c.client, upstream.HeaderDeadline, c.proxy)
		if got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, got.status, got.body)
		}
		by := s.instruct.Request(t).FirstBy
		if by.IsZero() != (c.want == 0) {
			t.Errorf("%s: by %v", name, by)
		}
		if late := by.Sub(begun.Add(c.want)); c.want > 0 && (late < -time.Second || late > time.Minute) { // milliseconds are cut
			t.Errorf("%s: %v after what was wanted", name, late)
		}
	}
}

func TestARequestEndsAtItsDeadline(t *testing.T) {
	s := newSite(t, nil)
	s.instruct.Hold = make(chan struct{})
	const body = `"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}]}`
	got := s.post("/v1/chat/completions", "{"+body, headerTimeout, "200")
	if code, _, message := got.failure(t); got.status != http.StatusServiceUnavailable || code != fault.CodeDeadline ||
		!strings.Contains(message, "200ms") || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	got = s.post("/v1/chat/completions", `{"stream":true,`+body, headerTimeout, "200")
	// A stream through another server has not begun before its first token: it is refused.
	lines := bytes.Split(bytes.TrimSpace(got.body), []byte("\n"))
	if !bytes.Contains(lines[len(lines)-1], []byte(fault.CodeDeadline)) {
		t.Errorf("%s", got.body)
	}
}

func TestADeadlineThatIsNoneIsRefused(t *testing.T) {
	s := newSite(t, nil)
	for _, name := range []string{headerTimeout, upstream.HeaderDeadline} {
		for _, text := range []string{"soon", "-1", "1.5", "99999999999999999999", "30s"} {
			got := s.post("/v1/chat/completions", `{"model":"auto","messages":[{"role":"user","content":"hi"}]}`, name, text)
			if code, param, _ := got.failure(t); got.status != http.StatusBadRequest || code != fault.CodeInvalidValue || param != name {
				t.Errorf("%s %q: %d %s", name, text, got.status, got.body)
			}
		}
	}
}
