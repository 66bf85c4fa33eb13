package api

import (
	"context"
	"io"
	"strings"
	"testing"
)

// TestAStreamThatIsBrokenOffIsLoggedAsSuch: its status was sent long before.
func TestAStreamThatIsBrokenOffIsLoggedAsSuch(t *testing.T) {
	for want, end := range map[string]func(s *site, leave func()){
		"error_code=client_closed_request": func(_ *site, leave func()) { leave() },
		"error_code=shutting_down":         func(s *site, _ func()) { s.server.Abort() },
	} {
		s := newSite(t, nil)
		s.instruct.Hold = make(chan struct{}, 1)
		s.instruct.Hold <- struct{}{} // the first token comes, the second does not
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		resp := s.stream(ctx, "qwen3-vl-instruct")
		if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		end(s, leave)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		s.counted(map[string]float64{`requests_in_flight`: 0, `http_request_duration_seconds_count{endpoint="/v1/chat/completions"}`: 1})
		if log := s.log.String(); !strings.Contains(log, "status=200") || !strings.Contains(log, want) {
			t.Errorf("want %s:\n%s", want, log)
		}
	}
}
