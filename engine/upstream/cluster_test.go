package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/discover"
	"github.com/qwenvld/qwenvld/engine/upstream/pool"
	"github.com/qwenvld/qwenvld/engine/upstream/upstreamtest"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

// words are the events of an answer of these texts.
func words(texts ...string) []string {
	out := []string{`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`}
	for _, t := range texts {
		out = append(out, fmt.Sprintf(`{"choices":[{"index":0,"delta":{"content":%q}}]}`, t))
	}
	return append(out,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
		fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":%d}}`, len(texts)))
}

// list is a source that a test changes.
type list struct {
	mu      sync.Mutex
	servers []discover.Server
	err     error
}

func (l *list) Servers(context.Context) ([]discover.Server, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.servers, l.err
}

func (l *list) set(err error, urls ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers, l.err = nil, err
	for _, u := range urls {
		l.servers = append(l.servers, discover.Server{URL: u})
	}
}

// fast are timeouts for tests that wait for real servers.
func fast() Timeouts {
	return Timeouts{ProbeEvery: 5 * time.Millisecond, DiscoverEvery: 5 * time.Millisecond, Probe: time.Minute, FirstToken: time.Minute}
}

// run runs a cluster of vLLM servers until the test ends, and waits until all of them are up.
func run(tb testing.TB, timeouts Timeouts, urls ...string) (*Cluster, *list) {
	tb.Helper()
	source := &list{}
	source.set(nil, urls...)
	d, err := dialect.For(dialect.VLLM)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := New(Options{Groups: []Group{{Dialect: d, Source: source, Model: "m"}}, Timeouts: timeouts})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	testkit.Eventually(tb, "probes", func() bool {
		up := 0
		for _, s := range c.Standings() {
			if s.State == pool.Up {
				up++
			}
		}
		return up == len(urls)
	})
	return c, source
}

func hello(d *dialect.Dialect, model string) ([]byte, error) {
	return d.Chat(&dialect.Chat{Model: model, Messages: []dialect.Message{{Role: "user", Parts: []dialect.Part{{Text: "hi"}}}}})
}

func call(key string) *Call {
	return &Call{Key: key, Path: "/v1/chat/completions", Body: hello}
}

// text reads a stream to its end.
func text(s *Stream) (string, error) {
	defer s.Close()
	var b strings.Builder
	for {
		d, err := s.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		b.WriteString(d.Text)
	}
}

func (c *Cluster) ask(ctx context.Context, key string) (string, error) {
	s, err := c.Open(ctx, call(key))
	if err != nil {
		return "", err
	}
	return text(s)
}

// keyOf is a key whose server is the one with a URL.
func keyOf(tb testing.TB, c *Cluster, url string) string {
	tb.Helper()
	for i := range 1000 {
		key := fmt.Sprint("key ", i)
		lease, err := c.pool.Pick(c.o.Now(), key)
		if err != nil {
			tb.Fatal(err)
		}
		lease.End(c.o.Now(), pool.Unknown, 0)
		if strings.HasPrefix(lease.Server(), url) {
			return key
		}
	}
	tb.Fatalf("no key goes to %s", url)
	return ""
}

func TestAnAnswerStreams(t *testing.T) {
	server := upstreamtest.New(t, upstreamtest.Script{Events: words("Hello", " world")})
	c, _ := run(t, fast(), server.URL)
	got, err := c.ask(t.Context(), "k")
	if err != nil || got != "Hello world" {
		t.Fatalf("%q, %v", got, err)
	}
	want := map[Count]int64{{server.URL + " m", Answered}: 1}
	if diff := cmp.Diff(want, c.Counts()); diff != "" {
		t.Error(diff)
	}
	r := server.Requests()[0]
	if r.Body["model"] != "m" || r.Header.Get("Accept") != "text/event-stream" {
		t.Errorf("%+v", r)
	}
}

func TestConnectionsServeAgain(t *testing.T) {
	server := upstreamtest.New(t, upstreamtest.Script{Events: words("a")})
	c, _ := run(t, fast(), server.URL)
	for range 20 {
		if _, err := c.ask(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.Connections(); n > 6 {
		t.Errorf("%d connections for 20 requests, one after the other", n)
	}
}

func TestFaultsBeforeTheFirstTokenGoToAnotherServer(t *testing.T) {
	for name, s := range map[string]upstreamtest.Script{
		"reset":               {Fault: upstreamtest.Reset, At: -1},
		"cut before anything": {Fault: upstreamtest.Cut, Events: words("no")},
		"cut after the role":  {Fault: upstreamtest.Cut, At: 1, Events: words("no")},
		"reset after it":      {Fault: upstreamtest.Reset, At: 1, Events: words("no")},
		"malformed":           {Fault: upstreamtest.Malformed, Events: words("no")},
		"error event":         {Fault: upstreamtest.ErrorEvent, At: 1, Events: words("no")},
		"500":                 {Status: 500, Body: "boom"},
		"502":                 {Status: 502, Body: "<html>"},
		"429":                 {Status: 429, Header: http.Header{"Retry-After": {"3"}}},
		"503":                 {Status: 503},
		"401":                 {Status: 401, Body: `{"error":"key"}`},
		"404":                 {Status: 404, Body: `{"error":{"message":"no such model"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			bad := upstreamtest.New(t, s)
			good := upstreamtest.New(t, upstreamtest.Script{Events: words("yes")})
			c, _ := run(t, fast(), bad.URL, good.URL)
			got, err := c.ask(t.Context(), keyOf(t, c, bad.URL))
			if err != nil || got != "yes" {
				t.Fatalf("%q, %v", got, err)
			}
			counts := c.Counts()
			failed := counts[Count{bad.URL + " m", Failed}] + counts[Count{bad.URL + " m", Busy}]
			if failed != 1 || counts[Count{bad.URL + " m", Retried}] != 1 || counts[Count{good.URL + " m", Answered}] != 1 {
				t.Errorf("%+v", counts)
			}
		})
	}
}

func TestOneServerIsAskedInPlaceOfAnother(t *testing.T) {
	var all []string
	servers := make([]*upstreamtest.Server, 3)
	for i := range servers {
		servers[i] = upstreamtest.New(t, upstreamtest.Script{Status: 500})
		all = append(all, servers[i].URL)
	}
	c, _ := run(t, fast(), all...)
	_, err := c.ask(t.Context(), "k")
	var failed *FailedError
	if !errors.As(err, &failed) || failed.Begun {
		t.Fatal(err)
	}
	n := 0
	for _, s := range servers {
		n += len(s.Requests())
	}
	if n != attempts {
		t.Errorf("%d servers were asked", n)
	}
}

func TestFaultsAfterTheFirstTokenEndTheAnswer(t *testing.T) {
	for name, s := range map[string]upstreamtest.Script{
		"reset":       {Fault: upstreamtest.Reset, At: 2, Events: words("Hello", " world")},
		"cut":         {Fault: upstreamtest.Cut, At: 2, Events: words("Hello", " world")},
		"malformed":   {Fault: upstreamtest.Malformed, At: 2, Events: words("Hello", " world")},
		"odd":         {Events: slices.Insert(words("Hello", " world"), 2, `{"choices":{"delta":"x"}}`)},
		"a list":      {Events: slices.Insert(words("Hello", " world"), 2, `[]`)},
		"error event": {Fault: upstreamtest.ErrorEvent, At: 2, Events: words("Hello", " world")},
	} {
		t.Run(name, func(t *testing.T) {
			bad := upstreamtest.New(t, s)
			good := upstreamtest.New(t, upstreamtest.Script{Events: words("no")})
			c, _ := run(t, fast(), bad.URL, good.URL)
			got, err := c.ask(t.Context(), keyOf(t, c, bad.URL))
			var failed *FailedError
			if got != "Hello" || !errors.As(err, &failed) || !failed.Begun || len(good.Requests()) != 0 {
				t.Errorf("%q, %v, %d", got, err, len(good.Requests()))
			}
		})
	}
}

func TestWhatBreaksAfterTheAnswerTakesNothingFromIt(t *testing.T) {
	events := words("Hello")
	for name, s := range map[string]upstreamtest.Script{
		"reset":         {Fault: upstreamtest.Reset, At: len(events) - 1, Events: events},
		"without usage": {Fault: upstreamtest.Cut, At: len(events) - 1, Events: events},
		"malformed":     {Fault: upstreamtest.Malformed, At: len(events) - 1, Events: events},
	} {
		server := upstreamtest.New(t, s)
		c, _ := run(t, fast(), server.URL)
		if got, err := c.ask(t.Context(), "k"); got != "Hello" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestRefusalsAreNotSentElsewhere(t *testing.T) {
	one := upstreamtest.New(t, upstreamtest.Script{
		Status: 400, Body: `{"error":{"message":"This model's maximum context length is 8 tokens.","code":400}}`,
	})
	c, _ := run(t, fast(), one.URL, upstreamtest.New(t, upstreamtest.Script{Events: words("no")}).URL)
	_, err := c.ask(t.Context(), keyOf(t, c, one.URL))
	var refusal *dialect.RefusalError
	if !errors.As(err, &refusal) || refusal.Cause != dialect.CauseLength {
		t.Fatal(err)
	}
	if n := c.Counts()[Count{one.URL + " m", Refused}]; n != 1 {
		t.Error(n)
	}
}

// A server that cannot answer one request by its deadline is asked what others want.
func TestADeadlineThatAServerCannotMeetIsNoFaultOfTheServer(t *testing.T) {
	late := upstreamtest.Script{
		Status: 503, Header: http.Header{"Retry-After": {"40"}}, Body: `{"error":{"message":"late","code":"deadline_exceeded"}}`,
	}
	one := upstreamtest.New(t, late)
	c, _ := run(t, fast(), one.URL)
	_, err := c.ask(t.Context(), "k")
	var refused *LateError
	if !errors.As(err, &refused) || !errors.Is(err, engine.ErrLate) || refused.Wait != 40*time.Second {
		t.Fatalf("%v", err)
	}
	if counts := c.Counts(); counts[Count{one.URL + " m", Refused}] != 1 || counts[Count{one.URL + " m", Busy}] != 0 {
		t.Errorf("%+v", counts)
	}
	if _, err := c.ask(t.Context(), "k"); !errors.As(err, &refused) || len(one.Requests()) != 2 {
		t.Errorf("it is left alone: %v", err)
	}
	c, _ = run(t, fast(), one.URL, upstreamtest.New(t, upstreamtest.Script{Events: words("yes")}).URL)
	if got, err := c.ask(t.Context(), keyOf(t, c, one.URL)); err != nil || got != "yes" {
		t.Errorf("the other is not asked: %q, %v", got, err)
	}
}

func TestAClientThatLeavesEndsTheAnswerAtItsServer(t *testing.T) {
	for name, at := range map[string]int{"before anything": -1, "before the first token": 1, "after it": 2} {
		t.Run(name, func(t *testing.T) {
			server := upstreamtest.New(t, upstreamtest.Script{Fault: upstreamtest.Hang, At: at, Events: words("Hello", "no")})
			c, _ := run(t, fast(), server.URL)
			ctx, leave := context.WithCancelCause(t.Context())
			gone := errors.New("gone")
			asked := make(chan error, 1)
			go func() {
				_, err := c.ask(ctx, "k")
				asked <- err
			}()
			testkit.Eventually(t, "the request", func() bool { return len(server.Requests()) == 1 })
			leave(gone)
			if err := <-asked; !errors.Is(err, gone) {
				t.Error(err)
			}
			<-server.Left()
			if s := c.Standings()[0]; s.InFlight != 0 || s.State != pool.Up {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestAnAnswerThatIsClosedEarlyEndsAtItsServer(t *testing.T) {
	server := upstreamtest.New(t, upstreamtest.Script{Fault: upstreamtest.Hang, At: 2, Events: words("Hello", "no")})
	c, _ := run(t, fast(), server.URL)
	s, err := c.Open(t.Context(), call("k"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	<-server.Left()
	if n := c.Counts()[Count{server.URL + " m", Abandoned}]; n != 1 {
		t.Error(c.Counts())
	}
}

func TestSilentServersAreGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		at       int
		timeouts Timeouts
		want     error
	}{
		"before anything":  {-1, Timeouts{FirstToken: 20 * time.Millisecond}, errNoFirst},
		"after the role":   {1, Timeouts{FirstToken: 20 * time.Millisecond}, errNoFirst},
		"among the tokens": {2, Timeouts{Silence: 20 * time.Millisecond}, errSilent},
	} {
		t.Run(name, func(t *testing.T) {
			server := upstreamtest.New(t, upstreamtest.Script{Fault: upstreamtest.Hang, At: c.at, Events: words("Hello", "no")})
			cluster, _ := run(t, c.timeouts, server.URL)
			if _, err := cluster.ask(t.Context(), "k"); !errors.Is(err, c.want) {
				t.Error(err)
			}
			<-server.Left()
		})
	}
}

func TestAnEventThatNeverEndsIsSilence(t *testing.T) {
	for _, c := range []struct {
		at       int
		timeouts Timeouts
		want     error
	}{
		{0, Timeouts{FirstToken: 20 * time.Millisecond}, errNoFirst},
		{2, Timeouts{Silence: 20 * time.Millisecond}, errSilent},
	} {
		server := upstreamtest.New(t, upstreamtest.Script{Fault: upstreamtest.Drip, At: c.at, Events: words("Hello", "no")})
		cluster, _ := run(t, c.timeouts, server.URL)
		if _, err := cluster.ask(t.Context(), "k"); !errors.Is(err, c.want) {
			t.Errorf("at %d: %v", c.at, err)
		}
		<-server.Left()
	}
}

func TestTricklingIsNotSilence(t *testing.T) {
	server := upstreamtest.New(t, upstreamtest.Script{Pause: 3 * time.Millisecond, Events: words(strings.Split(strings.Repeat("a ", 40), " ")...)})
	c, _ := run(t, Timeouts{FirstToken: time.Minute, Silence: time.Minute}, server.URL)
	if got, err := c.ask(t.Context(), "k"); err != nil || got != strings.Repeat("a", 40) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAServerThatFallsLosesWhoWaitsForItsFirstToken(t *testing.T) {
	hangs := upstreamtest.New(t, upstreamtest.Script{Fault: upstreamtest.Hang, At: -1})
	good := upstreamtest.New(t, upstreamtest.Script{Events: words("yes")})
	c, _ := run(t, fast(), hangs.URL, good.URL)
	key := keyOf(t, c, hangs.URL)
	type reply struct {
		text string
		err  error
	}
	asked := make(chan reply, 1)
	go func() {
		got, err := c.ask(t.Context(), key)
		asked <- reply{got, err}
	}()
	testkit.Eventually(t, "the request", func() bool { return len(hangs.Requests()) == 1 })
	hangs.SetHealth(false)
	if r := <-asked; r.text != "yes" || r.err != nil {
		t.Errorf("%q, %v", r.text, r.err)
	}
}

func TestServersComeAndGo(t *testing.T) {
	first := upstreamtest.New(t, upstreamtest.Script{Events: words("first")})
	second := upstreamtest.New(t, upstreamtest.Script{Events: words("second")})
	c, source := run(t, fast(), first.URL)
	source.set(nil, second.URL)
	testkit.Eventually(t, "the change", func() bool {
		s := c.Standings()
		return len(s) == 1 && s[0].ID == second.URL+" m" && s[0].State == pool.Up
	})
	if got, err := c.ask(t.Context(), "k"); got != "second" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	source.set(errors.New("the DNS is away"))
	if got, err := c.ask(t.Context(), "k"); got != "second" || err != nil {
		t.Errorf("while nothing is found: %q, %v", got, err)
	}
	source.set(nil)
	testkit.Eventually(t, "that nothing is left", func() bool { return len(c.Standings()) == 0 })
	if _, err := c.ask(t.Context(), "k"); !errors.Is(err, engine.ErrUnavailable) {
		t.Error(err)
	}
}

func TestModelsAreReadFromServers(t *testing.T) {
	server := upstreamtest.New(t, upstreamtest.Script{})
	server.Reply("/v1/models", `{"data":[{"id":"other","max_model_len":9},{"id":"m","max_model_len":4096}]}`)
	c, _ := run(t, fast(), server.URL)
	if n := c.Card().ContextSize; n != 4096 {
		t.Error(n)
	}
}

func TestDeadlinesAndHeadersArePassedOn(t *testing.T) {
	server := upstreamtest.New(t, upstreamtest.Script{Events: words("a")})
	c, _ := run(t, fast(), server.URL)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	one := call("k")
	one.Header = http.Header{"X-Session-Id": {"s"}}
	s, err := c.Open(ctx, one)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	h := server.Requests()[0].Header
	if h.Get("X-Session-Id") != "s" || h.Get(HeaderDeadline) == "" {
		t.Error(h)
	}
}

func TestOneBadServerOfFourUnderLoad(t *testing.T) {
	const clients, each = 16, 10
	for name, bad := range map[string]upstreamtest.Script{
		"resets":      {Fault: upstreamtest.Reset, At: -1},
		"is cut":      {Fault: upstreamtest.Cut, At: 1, Events: words("no")},
		"answers 500": {Status: 500},
		"answers 429": {Status: 429, Header: http.Header{"Retry-After": {"1"}}},
		"is busy":     {Status: 503},
		"malformed":   {Fault: upstreamtest.Malformed, Events: words("no")},
		"hangs":       {Fault: upstreamtest.Hang, At: 1, Events: words("no")},
		"drips":       {Fault: upstreamtest.Drip, At: 1, Events: words("no")},
	} {
		t.Run(name, func(t *testing.T) {
			faulty := upstreamtest.New(t, bad)
			urls := []string{faulty.URL}
			for range 3 {
				urls = append(urls, upstreamtest.New(t, upstreamtest.Script{Events: words("yes")}).URL)
			}
			timeouts := Timeouts{ProbeEvery: time.Minute}
			silent := bad.Fault == upstreamtest.Hang || bad.Fault == upstreamtest.Drip
			if silent {
				timeouts = fast()
			}
			c, _ := run(t, timeouts, urls...)
			var all sync.WaitGroup
			if silent { // whose requests are freed by its probes
				all.Go(func() {
					testkit.Eventually(t, "a request", func() bool { return len(faulty.Requests()) > 0 })
					faulty.SetHealth(false)
				})
			}
			for i := range clients {
				all.Go(func() {
					for j := range each {
						if got, err := c.ask(t.Context(), fmt.Sprint(i, " ", j)); got != "yes" || err != nil {
							t.Errorf("%q, %v", got, err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dialect.For(dialect.OpenAI)
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(Options{Groups: []Group{{Dialect: d, Source: &list{}}}, Transport: unreachable{}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// unreachable is a network without servers.
type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("unreachable")
}

func TestAClusterNeedsServers(t *testing.T) {
	if c, err := New(Options{}); err == nil {
		t.Error(c)
	}
}
