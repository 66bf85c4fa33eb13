package process

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine"
)

func TestRequestsReachTheWorker(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, stop := supervise(t, script{Events: 3}, nil)
	if _, err := s.Generate(t.Context(), &engine.Request{}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("before it is ready: %v", err)
	}
	if info := ready(t, s); info.Name != "fake" {
		t.Errorf("info %+v", info)
	}
	var all sync.WaitGroup
	for _, id := range []string{"a", "b", "c"} {
		all.Go(func() {
			if got, err := ask(t, s, id); err != nil || got != id+"0 "+id+"1 "+id+"2 " {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	all.Wait()
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if _, err := s.Info(t.Context()); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("after the stop: %v", err)
	}
	if n := sockets(t); n != 0 {
		t.Errorf("%d socket folders are left", n)
	}
}

func TestRefusalsKeepTheirMeaning(t *testing.T) {
	s, _ := supervise(t, script{Events: 0}, nil)
	ready(t, s)
	if _, err := ask(t, s, "a"); !errors.Is(err, engine.ErrOverloaded) {
		t.Errorf("%v", err)
	}
}

func TestWeightsThatDoNotLoadEndTheSupervisor(t *testing.T) {
	for name, s := range map[string]script{"load": {LoadError: "no such file"}, "protocol": {Protocol: 1, Events: 1}} {
		t.Run(name, func(t *testing.T) {
			self, _ := os.Executable()
			o := Options{Command: Command{Path: self, Env: append(os.Environ(), playWorker+"=1"), Config: mustJSON(t, s)}}
			err := New(o).Run(t.Context())
			want := map[string]string{"load": "no such file", "protocol": "protocol"}[name]
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestCrashAtStartIsExplainedAndTriedAgain(t *testing.T) {
	starts := filepath.Join(t.TempDir(), "starts")
	var log bytes.Buffer
	var mu sync.Mutex
	_, stop := supervise(t, script{Abort: true, Starts: starts}, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))
	})
	eventually(t, func() bool { b, _ := os.ReadFile(starts); return len(b) >= 3 })
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"ggml gave up", "GGML_ASSERT"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

func TestKilledWorkerEndsItsStreamsAtOnceAndComesBack(t *testing.T) {
	s, _ := supervise(t, script{Events: 1000, Pause: 5 * time.Millisecond}, nil)
	pid := ready(t, s).ContextSize
	st, err := s.Generate(t.Context(), &engine.Request{ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Next(); err != nil {
		t.Fatal(err)
	}
	if ready, restarts := s.Health(); !ready || restarts != 0 {
		t.Errorf("health %v, %d restarts", ready, restarts)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	for err == nil {
		_, err = st.Next()
	}
	if took := time.Since(killed); !errors.Is(err, engine.ErrWorkerDied) || took > 2*time.Second {
		t.Errorf("%v after %v", err, took)
	}
	eventually(t, func() bool { info, err := s.Info(t.Context()); return err == nil && info.ContextSize != pid })
	if ready, restarts := s.Health(); !ready || restarts != 1 {
		t.Errorf("health %v, %d restarts afterwards", ready, restarts)
	}
	again, err := s.Generate(t.Context(), &engine.Request{ID: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Next(); err != nil {
		t.Errorf("the next request: %v", err)
	}
	again.Close()
}

func TestRequestsWithoutAnEventYetAreSentAgain(t *testing.T) {
	s, _ := supervise(t, script{Events: 3, DieAfter: -1, Once: filepath.Join(t.TempDir(), "died")}, nil)
	ready(t, s)
	if got, err := ask(t, s, "a"); err != nil || got != "a0 a1 a2 " {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRequestsThatKillEveryWorkerAreGivenUp(t *testing.T) {
	starts := filepath.Join(t.TempDir(), "starts")
	s, _ := supervise(t, script{Events: 3, DieAfter: -1, Starts: starts}, nil)
	ready(t, s)
	if got, err := ask(t, s, "a"); !errors.Is(err, engine.ErrWorkerDied) || got != "" {
		t.Errorf("%q, %v", got, err)
	}
	if b, _ := os.ReadFile(starts); len(b) > 3 {
		t.Errorf("it cost %d workers", len(b))
	}
}

func TestRetryDoesNotOutlastTheClientsPatience(t *testing.T) {
	s, _ := supervise(t, script{Events: 3, DieAfter: -1}, func(o *Options) {
		o.MinBackoff, o.MaxBackoff, o.RetryWait = time.Hour, time.Hour, 50*time.Millisecond
	})
	ready(t, s)
	start := time.Now()
	if _, err := ask(t, s, "a"); !errors.Is(err, engine.ErrWorkerDied) || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestClosingAStreamGivesTheRequestUp(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	s, _ := supervise(t, script{Events: 1000, Pause: 5 * time.Millisecond, Closed: closed}, nil)
	ready(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	st, err := s.Generate(ctx, &engine.Request{})
	if err != nil {
		t.Fatal(err)
	}
	left := errors.New("left")
	cancel(left)
	for err == nil {
		_, err = st.Next()
	}
	if !errors.Is(err, left) {
		t.Errorf("the stream ended with %v", err)
	}
	st.Close()
	eventually(t, func() bool { _, err := os.Stat(closed); return err == nil })
}

func TestDeafWorkersAreReplaced(t *testing.T) {
	starts := filepath.Join(t.TempDir(), "starts")
	s, _ := supervise(t, script{Events: 3, Deaf: true, Starts: starts}, func(o *Options) {
		o.HealthInterval, o.StopPatience = 20*time.Millisecond, time.Second
	})
	ready(t, s)
	eventually(t, func() bool { b, _ := os.ReadFile(starts); return len(b) >= 2 })
}

func TestStubbornWorkersAreKilled(t *testing.T) {
	s, stop := supervise(t, script{Events: 3, Stubborn: true}, func(o *Options) { o.StopPatience = 50 * time.Millisecond })
	pid := ready(t, s).ContextSize
	_ = stop()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the worker lives")
	}
}

func TestStopDoesNotWaitForALoad(t *testing.T) {
	_, stop := supervise(t, script{LoadTime: time.Minute}, func(o *Options) { o.StopPatience = 50 * time.Millisecond })
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	if err := stop(); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("stopped with %v after %v", err, time.Since(start))
	}
}

func TestMissingBinaryIsAnError(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var log bytes.Buffer
	s := New(Options{
		Command: Command{Path: "/no/such/binary"}, MinBackoff: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "/no/such/binary") {
		t.Errorf("the log does not name it: %s", log.String())
	}
}
