package api

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/discover"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/router"
)

// throughAnother has every test's engines lie with another server, which is asked for what they answer.
var throughAnother = flag.Bool("through-another", false, "ask the engines by way of another server")

// placeBehind gives the engines of c to a server of their own, and c that server in their place. What it returns counts
// the probes of each.
func placeBehind(t *testing.T, c *Config) (probes []*atomic.Int64) {
	t.Helper()
	inner := *c
	inner.Keys, inner.Metrics, inner.Store, inner.Logger, inner.Hosts, inner.Tracer = nil, nil, nil, nil, nil, nil
	inner.MaxConcurrent, inner.MaxWaiting, inner.NewID = 1024, 0, nil
	// The server there is asked for weights by their name, and decides nothing.
	inner.Router, inner.SecondLook, inner.Rerun = shippedRouter(t), generation.SecondLook{}, generation.Rerun{}
	there, err := New(inner)
	if err != nil {
		return nil // c is as wrong
	}
	t.Cleanup(there.Abort)
	c.Models = slices.Clone(c.Models)
	for i := range c.Models {
		m := &c.Models[i]
		engines := m.Engines
		if len(engines) == 0 {
			continue
		}
		m.Engines, m.Clusters = nil, map[router.Variant]*upstream.Cluster{}
		for v, e := range engines {
			_, down := e.Info(t.Context())
			asked := &atomic.Int64{}
			probes = append(probes, asked)
			m.Clusters[v] = startCluster(t, dialect.Qwenvld, probed(t, there, asked), m.ID+"-"+string(v), down == nil)
		}
	}
	return probes
}

// probed serves s and counts the times that it was asked for its health.
func probed(t *testing.T, s http.Handler, asked *atomic.Int64) (url string) {
	t.Helper()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/health/ready" {
			asked.Add(1)
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h.URL
}

// known waits until the daemon knows of what a test changed of its engines. Of engines of its own it knows at once.
func (s *site) known() {
	s.t.Helper()
	const probes = 4 // one may be on its way already, two must fail for a server to be down, and they must have ended
	for _, asked := range s.probes {
		until := asked.Load() + probes
		testkit.Eventually(s.t, "probes", func() bool { return asked.Load() >= until })
	}
}

// diedCode is what is told of an engine that died: a server that has one is not this daemon's to restart.
func diedCode() string {
	if *throughAnother {
		return fault.CodeUpstream
	}
	return fault.CodeWorkerDied
}

// letGo waits until no engine works any more. Those of this daemon have let go when its reply has come.
func (s *site) letGo() {
	s.t.Helper()
	open := func() int { return s.instruct.Open() + s.thinking.Open() }
	if *throughAnother {
		testkit.Eventually(s.t, "the end of all generations", func() bool { return open() == 0 })
	}
	if n := open(); n != 0 {
		s.t.Errorf("%d streams are open", n)
	}
}

// startCluster runs a cluster of one server until the test ends. It waits for the server to be up where it can be.
func startCluster(
	tb testing.TB, kind dialect.Kind, url, model string, up bool, around ...func(http.RoundTripper) http.RoundTripper,
) *upstream.Cluster {
	tb.Helper()
	return startPool(tb, kind, []string{url}, model, up, around...)
}

// startPool is startCluster for several servers.
func startPool(
	tb testing.TB, kind dialect.Kind, urls []string, model string, up bool, around ...func(http.RoundTripper) http.RoundTripper,
) *upstream.Cluster {
	tb.Helper()
	d, err := dialect.For(kind)
	if err != nil {
		tb.Fatal(err)
	}
	o := upstream.Options{Timeouts: upstream.Timeouts{ProbeEvery: 50 * time.Millisecond}}
	for _, url := range urls {
		o.Groups = append(o.Groups, upstream.Group{Dialect: d, Source: discover.Static{Server: discover.Server{URL: url}}, Model: model})
	}
	for _, f := range around {
		o.Around = f
	}
	cluster, err := upstream.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cluster.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		<-done
	})
	if up {
		testkit.Eventually(tb, "the other server", cluster.Ready)
	}
	return cluster
}

// scalingPage is where the tests are listed that cannot pass through another server, each with its reason.
const scalingPage = "../docs/SCALING.md"

// exceptions are the names of those tests, in the last column of the page's table of what differs.
func exceptions(tb testing.TB) []string {
	tb.Helper()
	page, err := os.ReadFile(scalingPage)
	if err != nil {
		tb.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "\n| Against a local engine ")
	if !ok {
		tb.Fatalf("%s has no table of what differs from a local engine", scalingPage)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	name := regexp.MustCompile("`([A-Za-z0-9]+(/[^`]+)?)`")
	var out []string
	for row := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		for _, m := range name.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			out = append(out, m[1])
		}
	}
	if len(out) == 0 {
		tb.Fatalf("%s names no tests", scalingPage)
	}
	return out
}

// pattern is that of go test for a test, or for one of a test's cases.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(strings.ReplaceAll(p, " ", "_")) + "$"
	}
	return strings.Replace(strings.Join(parts, "/"), "^", "^Test", 1)
}

// again runs tests of this package through another server.
func again(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), self, append([]string{"-through-another", "-test.timeout", "18m"}, args...)...).CombinedOutput()
}

// TestTheAPIThroughAnotherServer runs all tests of the API again, with the engines behind another server. Those that
// docs/SCALING.md excepts must fail there: a reason that is none any more leaves the page.
func TestTheAPIThroughAnotherServer(t *testing.T) {
	if *throughAnother {
		t.Skip("it is what runs")
	}
	if testing.Short() {
		t.Skip("all tests again, and through another server, take minutes")
	}
	if raced {
		t.Skip("the tests themselves run under the race detector; again and through another server they take minutes")
	}
	excepted := exceptions(t)
	skipped := make([]string, len(excepted))
	for i, name := range excepted {
		skipped[i] = pattern(name)
	}
	if out, err := again(t, "-test.skip", strings.Join(skipped, "|")); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	out, _ := again(t, "-test.run", strings.Join(skipped, "|"), "-test.v") // each is looked at
	for _, name := range excepted {
		if !strings.Contains(string(out), "--- FAIL: Test"+strings.ReplaceAll(name, " ", "_")+" (") {
			t.Errorf("%s does not fail through another server, and is excepted:\n%s", name, out)
		}
	}
}
