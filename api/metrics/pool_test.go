package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/router"
)

// line is a queue of so many.
type line struct{ working, fetching int }

func (l line) Waiting() (working, fetching int) { return l.working, l.fetching }

func scraped(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return w.Body.String()
}

func TestGatewaysAreToldHowBusyThisIs(t *testing.T) {
	m := New(Options{})
	m.WatchQueue(line{2, 3})
	m.Admitted(0)
	m.Admitted(0)
	m.Released()
	page := scraped(t, m)
	for _, want := range []string{"qwenvld_queued_requests 5\n", "qwenvld_running_requests 1\n", "qwenvld_kv_cache_usage_ratio 0\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not told", want)
		}
	}
}

func TestServersOfOthersAreTold(t *testing.T) {
	page := scraped(t, New(Options{UpstreamStates: []string{"up", "down"}, Upstreams: func() []Upstream {
		return []Upstream{{Model: "m", Variant: router.Instruct, Server: "http://a", State: "up", InFlight: 2, Outcomes: map[string]int64{"failed": 3}}}
	}}))
	const labels = `model="m",server="http://a"`
	for _, want := range []string{
		`qwenvld_upstream_state{` + labels + `,state="up",variant="instruct"} 1`, `qwenvld_upstream_state{` + labels + `,state="down",variant="instruct"} 0`,
		`qwenvld_upstream_requests_in_flight{` + labels + `,variant="instruct"} 2`,
		`qwenvld_upstream_requests_total{model="m",outcome="failed",server="http://a",variant="instruct"} 3`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("%s is not told", want)
		}
	}
}
