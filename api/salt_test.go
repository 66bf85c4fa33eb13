package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/access"
)

// Every surface keeps what is computed of a prompt to requests with the same salt and, as configured, of the same key.
func TestSaltsAndKeysKeepPromptsApart(t *testing.T) {
	turn := []any{object{"role": "user", "content": "hi"}}
	bodies := map[string]object{
		"/v1/chat/completions": {"messages": turn}, "/v1/responses": {"input": "hi"},
		"/v1/messages": {"messages": turn, "max_tokens": 9}, "/v1/completions": {"prompt": "hi"},
		"/api/chat": {"messages": turn, "stream": false},
	}
	secrets := map[string]string{}
	var keys []access.Key
	for _, name := range []string{"alice", "bob"} {
		secret, hash := access.NewKey()
		secrets[name] = secret
		keys = append(keys, access.Key{Name: name, Hash: hash})
	}
	for path, body := range bodies {
		for _, keyed := range []bool{false, true} {
			s := newSite(t, func(c *Config) { c.Keys, c.KeyedPrefixes = keys, keyed })
			scopes := map[string]string{}
			for _, asked := range []struct{ name, key, salt, like string }{
				{"alice", "alice", "", ""},
				{"alice again", "alice", "", "alice"},
				{"bob", "bob", "", map[bool]string{false: "alice", true: ""}[keyed]},
				{"salted", "alice", "s", ""},
				{"salted otherwise", "alice", "t", ""},
				{"salted alike", "alice", "s", "salted"},
				{"salted by bob", "bob", "s", map[bool]string{false: "salted", true: ""}[keyed]},
			} {
				body["model"] = "qwen3-vl-instruct"
				if body["cache_salt"] = asked.salt; asked.salt == "" {
					delete(body, "cache_salt")
				}
				if got := s.post(path, body, "Authorization", "Bearer "+secrets[asked.key]); got.status != http.StatusOK {
					t.Fatalf("%s: %d %s", path, got.status, got.body)
				}
				scope := s.instruct.Request(t).CacheScope
				for name, other := range scopes {
					if (scope == other) != (asked.like != "" && scopes[asked.like] == other) {
						t.Errorf("%s, by key %v: %s has the scope %q, %s %q", path, keyed, asked.name, scope, name, other)
					}
				}
				scopes[asked.name] = scope
			}
		}
	}
}

func TestLongSaltsAreRefused(t *testing.T) {
	s := newSite(t, nil)
	got := s.post("/v1/chat/completions", object{
		"messages": []any{object{"role": "user", "content": "hi"}}, "cache_salt": strings.Repeat("s", 1025),
	})
	if _, param, _ := got.failure(t); got.status != http.StatusBadRequest || param != "cache_salt" {
		t.Errorf("%d %s", got.status, got.body)
	}
}
