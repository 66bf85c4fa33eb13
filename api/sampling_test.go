package api

import (
	"net/http"
	"testing"
)

// Every surface reads repetition_detection, which goes before the configuration.
func TestRepetitionIsLookedForUnlessItIsAllowed(t *testing.T) {
	turn := []any{object{"role": "user", "content": "hi"}}
	bodies := map[string]object{
		"/v1/chat/completions": {"messages": turn}, "/v1/responses": {"input": "hi"},
		"/v1/messages": {"messages": turn, "max_tokens": 9}, "/v1/completions": {"prompt": "hi"},
	}
	for path, body := range bodies {
		for _, configured := range []bool{false, true} {
			s := newSite(t, func(c *Config) { c.MayRepeat = configured })
			for _, c := range []struct{ asked, want any }{{nil, configured}, {true, false}, {false, true}} {
				body["model"], body["repetition_detection"] = "qwen3-vl-instruct", c.asked
				if got := s.post(path, body); got.status != http.StatusOK {
					t.Fatalf("%s: %d %s", path, got.status, got.body)
				}
				if got := s.instruct.Request(t).MayRepeat; got != c.want {
					t.Errorf("%s, configured %v, asked %v: %v", path, configured, c.asked, got)
				}
			}
			body["repetition_detection"] = "no"
			if got := s.post(path, body); got.status != http.StatusBadRequest || path != "/v1/messages" {
				if _, param, _ := got.failure(t); param != "repetition_detection" {
					t.Errorf("%s: %q is at fault", path, param)
				}
			}
		}
	}
}
