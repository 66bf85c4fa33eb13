package api

import (
	"net/http"
	"testing"

	"github.com/qwenvld/qwenvld/api/access"
)

// The engine is told how urgent a request is, on each of OpenAI's surfaces, and by whom its time is shared.
func TestTiersAndKeysReachTheEngine(t *testing.T) {
	secret, hash := access.NewKey()
	s := newSite(t, func(c *Config) { c.Keys = []access.Key{{Name: "alice", Hash: hash}} })
	for path, body := range map[string]object{
		"/v1/chat/completions": {"messages": []any{object{"role": "user", "content": "hi"}}},
		"/v1/responses":        {"input": "hi"}, "/v1/completions": {"prompt": "hi"},
	} {
		for _, c := range []struct {
			tier any
			want float64
		}{{nil, 1}, {"auto", 1}, {"default", 1}, {"scale", 1}, {"flex", 0.25}, {"priority", 4}, {7, 1}} {
			body["model"], body["service_tier"] = "qwen3-vl-instruct", c.tier
			if got := s.post(path, body, "Authorization", "Bearer "+secret); got.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, got.status, got.body)
			}
			asked := s.instruct.Request(t)
			if asked.Weight != c.want || asked.Tenant == "" {
				t.Errorf("%s, tier %v: weight %g of %q", path, c.tier, asked.Weight, asked.Tenant)
			}
		}
	}
}
