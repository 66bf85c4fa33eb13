package api

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/internal/contract"
)

// unanswered are statuses that are described and that no test of this package gets, as patterns of "METHOD PATH
// STATUS".
var unanswered = []string{
	"* 408", // a body that comes too slowly, which package intake tests
	"* 500", // faults of this server, of which the tests know a few
}

// wantAnswered is the exit code after all tests: that of the tests, or a failure where they left a described status
// out.
func wantAnswered(code int) int {
	for _, name := range []string{"test.run", "test.skip", "test.fuzz", "test.list", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return code // not all tests have run
		}
	}
	c, err := readContract()
	if code != 0 || err != nil {
		return code
	}
	for _, status := range c.Unanswered() {
		if !slices.ContainsFunc(unanswered, func(p string) bool { return matches(p, status) }) {
			fmt.Fprintf(os.Stderr, "openapi.yaml describes %s, which no test gets: test it, or list it in refusals_test.go\n", status)
			code = 1
		}
	}
	return code
}

// matches says whether text is as a pattern, in which * stands for any text and ? for any character.
func matches(pattern, text string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "."), strings.ReplaceAll(text, "/", "."))
	return ok && err == nil
}

// askFor asks a model for an operation with the first of the bodies that are shown for it.
func (s *site) askFor(o *contract.Operation, model string, headers ...string) reply {
	s.t.Helper()
	target := strings.NewReplacer("{id}", "resp_id", "{model}", model).Replace(o.Path)
	if o.Method != http.MethodPost {
		return s.send(o.Method, target, headers...)
	}
	body := map[string]any{}
	for _, media := range o.Request {
		names := slices.Sorted(maps.Keys(media.Examples))
		if len(names) == 0 {
			continue
		}
		if err := json.Unmarshal([]byte(media.Examples[names[0]].Body), &body); err != nil {
			s.t.Fatal(err)
		}
	}
	body["model"] = model
	return s.post(target, body, headers...)
}

// Every operation is refused for the same reasons in the same way, and its description says so.
func TestEveryOperationRefusesAsItsDescriptionSays(t *testing.T) {
	key, hash := access.NewKey()
	for _, c := range []struct {
		name    string
		status  int
		edit    func(*Config)
		ready   func(*site)
		headers []string
		twice   bool
		model   string
	}{
		{name: "no key", status: http.StatusUnauthorized, edit: func(c *Config) {
			c.Keys, c.Playground = []access.Key{{Name: "ann", Hash: hash}}, PlaygroundKeyed
		}},
		{
			name: "too often", status: http.StatusTooManyRequests, twice: true, headers: []string{"Authorization", "Bearer " + key},
			edit: func(c *Config) { c.Keys = []access.Key{{Name: "ann", Hash: hash, RequestsPerMinute: 1}} },
		},
		{name: "no such model", status: http.StatusNotFound, model: "none"},
		{name: "no JSON", status: http.StatusUnsupportedMediaType, headers: []string{"Content-Type", "text/plain"}},
		{name: "too large", status: http.StatusRequestEntityTooLarge, edit: func(c *Config) { c.Limits.BodyBytes = 4 }},
		{
			name: "nothing works", status: http.StatusServiceUnavailable, edit: func(c *Config) { withFailingStore(c).breakDown() },
			ready: func(s *site) {
				s.instruct.Down, s.thinking.Down = true, true
				s.known()
				s.server.Drain()
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, func(config *Config) {
				if c.edit != nil {
					c.edit(config)
				}
			})
			if c.ready != nil {
				c.ready(s)
			}
			for _, o := range s.check.Operations {
				if _, described := o.Responses[fmt.Sprint(c.status)]; !described {
					continue
				}
				got := s.askFor(o, cmp.Or(c.model, "qwen3-vl"), c.headers...)
				if c.twice {
					got = s.askFor(o, cmp.Or(c.model, "qwen3-vl"), c.headers...)
				}
				if got.status != c.status {
					t.Errorf("%s: status %d, want %d: %s", o.Name(), got.status, c.status, got.body)
				}
			}
		})
	}
}
