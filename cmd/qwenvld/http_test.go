package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/config"
)

// slow answers every request when it is told to, or when it is aborted, and keeps what is asked of it.
type slow struct {
	begun, answer, aborted chan struct{}

	mu    sync.Mutex
	calls []string
}

func newSlow() *slow {
	return &slow{begun: make(chan struct{}), answer: make(chan struct{}), aborted: make(chan struct{})}
}

func (s *slow) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	close(s.begun)
	select {
	case <-s.answer:
		_, _ = io.WriteString(w, "answered")
	case <-s.aborted:
		_, _ = io.WriteString(w, "aborted")
	}
}

func (s *slow) called(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.calls, what) {
		s.calls = append(s.calls, what)
	}
}

func (s *slow) Drain()                     { s.called("drain") }
func (s *slow) Wait(context.Context) error { s.called("wait"); return nil }
func (s *slow) Abort()                     { s.called("abort"); close(s.aborted) }

// serving is a server under test.
type serving struct {
	end   context.CancelFunc
	ended chan error
	reply chan string // the body of a request that was in flight at the end
}

// serveSlowly serves s, and begins a request.
func serveSlowly(t *testing.T, s *slow, c *config.Config, hurry <-chan struct{}) *serving {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithValue(t.Context(), hurryKey{}, hurry))
	t.Cleanup(end)
	v := &serving{end: end, ended: make(chan error, 1), reply: make(chan string, 1)}
	go func() {
		v.ended <- serveHTTP(ctx, c, l, nil, s, slog.New(slog.DiscardHandler), func() { t.Error("the workers are stopped too early") })
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			v.reply <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		v.reply <- string(body)
	}()
	<-s.begun
	return v
}

// want waits for the end. answered says whether the request in flight got its answer; one that is aborted may get one or none.
func (v *serving) want(t *testing.T, s *slow, answered bool, calls ...string) {
	t.Helper()
	if err := <-v.ended; err != nil {
		t.Error(err)
	}
	if got := <-v.reply; (got == "answered") != answered {
		t.Errorf("the request in flight got %q", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.calls, calls) {
		t.Errorf("asked for %v, want %v", s.calls, calls)
	}
}

func TestRequestsInFlightFinishWhileTheServerDrains(t *testing.T) {
	s := newSlow()
	v := serveSlowly(t, s, &config.Config{ShutdownTimeout: time.Hour}, nil)
	v.end()
	close(s.answer)
	v.want(t, s, true, "drain", "wait")
}

func TestRequestsThatDoNotFinishInTimeAreEnded(t *testing.T) {
	s := newSlow()
	v := serveSlowly(t, s, &config.Config{ShutdownTimeout: time.Millisecond}, nil)
	v.end()
	v.want(t, s, false, "drain", "abort", "wait")
}

func TestASecondSignalEndsDelayAndPatience(t *testing.T) {
	s, hurry := newSlow(), make(chan struct{})
	v := serveSlowly(t, s, &config.Config{DrainDelay: time.Hour, ShutdownTimeout: time.Hour}, hurry)
	v.end()
	close(hurry)
	v.want(t, s, false, "drain", "abort", "wait")
}

func TestAListenerThatFailsStopsTheWorkers(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	err = serveHTTP(t.Context(), &config.Config{}, l, nil, newSlow(), slog.New(slog.DiscardHandler), func() { stopped = true })
	if err == nil || !stopped {
		t.Errorf("%v, stopped is %t", err, stopped)
	}
}
