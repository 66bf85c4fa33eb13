package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/internal/testkit"
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
			if got, err := answerOf(t, s, id); err != nil || got != id+"0 "+id+"1 "+id+"2 " {
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

func TestSupervisorConforms(t *testing.T) {
	model := &engine.Info{
		Name: "fake", ContextSize: 256, MaxSequences: 3, VocabSize: 256, TokenBytes: 1,
		Vision: &engine.VisionInfo{PatchSize: 16, MergeSize: 2},
	}
	s, _ := supervise(t, script{Model: model}, nil)
	ready(t, s)
	enginetest.Run(t, s)
}

func TestRefusalsKeepTheirMeaning(t *testing.T) {
	s, _ := supervise(t, script{Events: 0}, nil)
	ready(t, s)
	if _, err := answerOf(t, s, "a"); !errors.Is(err, engine.ErrOverloaded) {
		t.Errorf("%v", err)
	}
}

func TestWeightsThatDoNotLoadEndTheSupervisor(t *testing.T) {
	for name, s := range map[string]script{"load": {LoadError: "no such file"}, "protocol": {Protocol: 1, Events: 1}} {
		t.Run(name, func(t *testing.T) {
			self, _ := os.Executable()
			o := Options{Command: Command{Path: self, Env: append(os.Environ(), playWorker+"=1"), Config: testkit.JSON(t, s)}}
			log := record(&o)
			sup := New(o)
			err := sup.Run(t.Context())
			want := map[string]string{"load": "no such file", "protocol": "protocol"}[name]
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ended with %v", err)
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != 1 || strings.Count(log.String(), want) != 1 {
				t.Errorf("%d errors in the log:\n%s", n, log)
			}
			var down *engine.UnavailableError
			_, err = sup.Info(t.Context())
			if !errors.As(err, &down) || down.State != engine.StateFailed || !strings.Contains(down.Reason, want) {
				t.Errorf("info: %v", err)
			}
			if err := sup.Wait(t.Context()); !errors.As(err, &down) {
				t.Errorf("waiting for it: %v", err)
			}
		})
	}
}

func TestStartsThatNeverSucceedAreExplainedAndGivenUp(t *testing.T) {
	for name, tc := range map[string]struct {
		script script
		want   string
	}{
		"a crash":     {script{Abort: true}, "ggml gave up"},
		"no progress": {script{Stuck: true}, "loading has made no progress for 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.script.Starts = filepath.Join(t.TempDir(), "starts")
			var log *testkit.Buffer
			s, _ := supervise(t, tc.script, func(o *Options) {
				o.MaxStarts, o.LoadPatience, o.StopPatience = 3, 300*time.Millisecond, 10*time.Millisecond
				log = record(o)
			})
			reason := becomes(t, s, engine.StateFailed)
			if !strings.Contains(reason, tc.want) || !strings.Contains(reason, "given up after 3 starts") || strings.Contains(reason, "\n") {
				t.Errorf("reason %q", reason)
			}
			// A process that is ended for its slowness may not have come to write it down.
			if b, _ := os.ReadFile(tc.script.Starts); len(b) > 3 || tc.script.Abort && len(b) < 3 {
				t.Errorf("%d starts", len(b))
			}
			if n := strings.Count(log.String(), "weights are not served"); n != 1 {
				t.Errorf("said %d times:\n%s", n, log)
			}
		})
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
	if state, restarts := s.Health(); state != engine.StateReady || restarts != 0 {
		t.Errorf("%s, %d restarts", state, restarts)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = st.Next()
	}
	if !errors.Is(err, engine.ErrWorkerDied) {
		t.Error(err)
	}
	testkit.Eventually(t, "another worker", func() bool { info, err := s.Info(t.Context()); return err == nil && info.ContextSize != pid })
	if state, restarts := s.Health(); state != engine.StateReady || restarts != 1 {
		t.Errorf("%s, %d restarts afterwards", state, restarts)
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

func TestRequestThatMayHaveKilledItsWorkerIsNotSentAgain(t *testing.T) {
	// The next worker would answer it.
	starts := filepath.Join(t.TempDir(), "starts")
	s, _ := supervise(t, script{Events: 3, DieAfter: -1, Once: filepath.Join(t.TempDir(), "died"), Starts: starts}, nil)
	ready(t, s)
	if got, err := answerOf(t, s, "a"); !errors.Is(err, engine.ErrWorkerDied) || got != "" {
		t.Errorf("%q, %v", got, err)
	}
	testkit.Eventually(t, "the second start", func() bool { b, _ := os.ReadFile(starts); return len(b) == 2 })
	ready(t, s)
	if got, err := answerOf(t, s, "b"); err != nil || got != "b0 b1 b2 " {
		t.Errorf("another one afterwards: %q, %v", got, err)
	}
}

func TestRequestThatWasNeverSentGoesToTheNextWorker(t *testing.T) {
	first, second := &service{client: newClient(filepath.Join(t.TempDir(), "nobody"))}, &service{}
	s := New(Options{RetryWait: 20 * time.Second})
	s.markReady(first)
	var asked []*service
	err := s.send(t.Context(), func(w *service) error {
		if asked = append(asked, w); w != first {
			return nil
		}
		s.markReady(second)
		return w.client.post(t.Context(), "/", nil, nil)
	})
	if err != nil || len(asked) != 2 || asked[1] != second {
		t.Errorf("%v, asked %v", err, asked)
	}
}

func TestRequestThatWasNeverSentDoesNotWaitForEver(t *testing.T) {
	s := New(Options{RetryWait: 20 * time.Millisecond})
	s.markReady(&service{client: newClient(filepath.Join(t.TempDir(), "nobody"))})
	_, err := s.Tokenize(t.Context(), nil)
	if !errors.Is(err, engine.ErrUnavailable) || errors.Is(err, engine.ErrWorkerDied) {
		t.Error(err)
	}
}

func TestClosingAStreamGivesTheRequestUp(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	s, _ := supervise(t, script{Events: 1 << 30, Pause: 5 * time.Millisecond, Closed: closed}, nil)
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
	testkit.Eventually(t, "the end of the connection", func() bool { _, err := os.Stat(closed); return err == nil })
}

func TestTheWorkerIsToldOnceNobodyWaitsForThoughts(t *testing.T) {
	s, _ := supervise(t, script{Events: 3}, nil)
	ready(t, s)
	now := make(chan struct{})
	// Its events come once it has been told, and not before.
	stream, err := s.Generate(t.Context(), &engine.Request{ID: "same", Thinking: engine.Thinking{Open: true, Now: now}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Generate(t.Context(), &engine.Request{ID: "same"}) // ids may come twice
	if err != nil {
		t.Fatal(err)
	}
	close(now)
	for _, s := range []engine.Stream{stream, other} {
		for {
			ev, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if ev.Result != nil {
				break
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDeafWorkersAreReplaced(t *testing.T) {
	starts := filepath.Join(t.TempDir(), "starts")
	s, _ := supervise(t, script{Events: 3, Deaf: true, Starts: starts}, func(o *Options) {
		o.CheckTimeout, o.Silence = 20*time.Millisecond, 500*time.Millisecond
	})
	ready(t, s)
	testkit.Eventually(t, "the second start", func() bool { b, _ := os.ReadFile(starts); return len(b) >= 2 })
}

func TestHungWorkerGetsNoNewRequestsAndIsReplaced(t *testing.T) {
	s, _ := supervise(t, script{Events: 3, Hangs: true, Once: filepath.Join(t.TempDir(), "hung")}, func(o *Options) {
		o.Stall, o.Hang = 50*time.Millisecond, 2*time.Second
	})
	pid := ready(t, s).ContextSize
	st, err := s.Generate(t.Context(), &engine.Request{ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	reason := becomes(t, s, engine.StateStalled)
	if !strings.Contains(reason, "decoding has made no progress") {
		t.Errorf("reason %q", reason)
	}
	var down *engine.UnavailableError
	if _, err := s.Generate(t.Context(), &engine.Request{ID: "b"}); !errors.As(err, &down) {
		t.Errorf("a new request: %v", err)
	}
	for err == nil {
		_, err = st.Next()
	}
	if !errors.Is(err, engine.ErrWorkerDied) {
		t.Errorf("its stream ended with %v", err)
	}
	if ready(t, s).ContextSize == pid {
		t.Error("it was not replaced")
	}
	if got, err := answerOf(t, s, "c"); err != nil || got != "c0 c1 c2 " {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

func TestStoppedWorkerGetsNoNewRequestsUntilItGoesOn(t *testing.T) {
	s, _ := supervise(t, script{Events: 3}, func(o *Options) { o.CheckTimeout, o.Silence = 100*time.Millisecond, time.Hour })
	pid := ready(t, s).ContextSize
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if reason := becomes(t, s, engine.StateStalled); !strings.Contains(reason, "has not answered") {
		t.Errorf("reason %q", reason)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if info := ready(t, s); info.ContextSize != pid {
		t.Error("it was replaced")
	}
	// A check may time out on a busy machine.
	testkit.Eventually(t, "an answer", func() bool { got, err := answerOf(t, s, "a"); return err == nil && got == "a0 a1 a2 " })
}

func TestLogIsReadBeyondALongLine(t *testing.T) {
	var log *testkit.Buffer
	s, _ := supervise(t, script{Events: 1, Noise: 1 << 20}, func(o *Options) { log = record(o) })
	ready(t, s)
	testkit.Eventually(t, "the line after the noise", func() bool { return strings.Contains(log.String(), "after the noise") })
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
	starts := filepath.Join(t.TempDir(), "starts")
	_, stop := supervise(t, script{Stuck: true, Starts: starts}, func(o *Options) { o.StopPatience = 50 * time.Millisecond })
	testkit.Eventually(t, "the start", func() bool { b, _ := os.ReadFile(starts); return len(b) == 1 })
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestMissingBinaryIsAnError(t *testing.T) {
	o := Options{Command: Command{Path: "/no/such/binary"}, MinBackoff: time.Millisecond, MaxStarts: 2}
	log := record(&o)
	err := New(o).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "/no/such/binary") || !strings.Contains(log.String(), "/no/such/binary") {
		t.Errorf("%v; the log:\n%s", err, log)
	}
}
