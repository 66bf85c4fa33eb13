package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/wire"
	"github.com/qwenvld/qwenvld/engine/worker/endpoint"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

// The test binary is also the worker: with this variable set it plays the part that the configuration names.
const playWorker = "QWENVLD_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(playWorker) != "" {
		if err := fakeWorker(); err != nil {
			fmt.Fprintln(os.Stderr, "fake worker:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// script says how a fake worker behaves.
type script struct {
	LoadError string `json:"load_error,omitempty"`
	Protocol  int    `json:"protocol,omitempty"`
	// DieAfter kills the process after so many events of a request, -1 before the first; only once when Once names a file.
	DieAfter int    `json:"die_after,omitempty"`
	Once     string `json:"once,omitempty"`
	// Starts names a file that gets a byte at every start.
	Starts string `json:"starts,omitempty"`
	// Deaf stops answering health checks, Stubborn does not exit when the input ends, Abort ends at start, Stuck never gets on
	// with loading.
	Deaf, Stubborn, Abort, Stuck bool
	// Hangs takes requests and computes without progress; only once when Once names a file.
	Hangs bool
	// Noise is logged as one line of so many bytes.
	Noise int
	// Model has requests answered by a fake model of this kind, which keeps the whole contract. Otherwise an answer is so many Events,
	// with a pause before each; 0 events means to refuse as overloaded.
	Model  *engine.Info  `json:"model,omitempty"`
	Events int           `json:"events"`
	Pause  time.Duration `json:"pause,omitempty"`
	// Closed names a file that is made when the first request has been answered or given up.
	Closed string `json:"closed,omitempty"`
}

func fakeWorker() error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var s script
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	if s.Starts != "" {
		f, err := os.OpenFile(s.Starts, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		fmt.Fprint(f, "x")
		f.Close()
	}
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("fake worker started")
	if s.Abort {
		fmt.Fprintln(os.Stderr, "GGML_ASSERT: something broke")
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
		select {}
	}
	say := func(h wire.Hello) {
		h.Protocol = wire.Version + s.Protocol
		b, _ := json.Marshal(h)
		fmt.Println(string(b))
	}
	say(wire.Hello{State: wire.StateLoading, Stage: "weights", Progress: 0.5})
	if s.Stuck {
		select {}
	}
	if s.Noise > 0 {
		fmt.Fprintln(os.Stderr, strings.Repeat("n", s.Noise)+"\nafter the noise")
	}
	if s.LoadError != "" {
		say(wire.Hello{State: wire.StateFailed, Error: s.LoadError})
		return nil
	}
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, endpoint.New(newFakeModel(&s), slog.New(slog.DiscardHandler))) }()
	say(wire.Hello{State: wire.StateReady})
	_, _ = io.Copy(io.Discard, in)
	if s.Stubborn {
		select {}
	}
	return nil
}

// fakeModel is a Fake as a worker serves it, with the faults of a process.
type fakeModel struct {
	script *script
	fake   *enginetest.Fake
	hangs  atomic.Bool
}

func newFakeModel(s *script) *fakeModel {
	m := &fakeModel{script: s, fake: &enginetest.Fake{PixelsLater: true}}
	if s.Model != nil {
		m.fake.Model = *s.Model
		return m
	}
	// The tests tell processes apart by the context.
	m.fake.Model = engine.Info{Name: "fake", ContextSize: os.Getpid(), TokenBytes: 4}
	m.fake.Answer = m.answer
	if s.Events == 0 {
		m.fake.Refuse = engine.ErrOverloaded
	}
	if s.Closed != "" {
		m.fake.Closed = make(chan struct{})
		go func() {
			<-m.fake.Closed
			_ = os.WriteFile(s.Closed, nil, 0o600)
		}()
	}
	return m
}

func (m *fakeModel) Info() engine.Info { return m.fake.Model }

func (m *fakeModel) Health() wire.Health {
	if m.script.Deaf {
		select {}
	}
	return wire.Health{Decode: wire.Pulse{Busy: m.hangs.Load(), Beats: 1, Steps: 1}}
}

func (m *fakeModel) Submit(ctx context.Context, req *engine.Request) (endpoint.Job, error) {
	now := make(chan struct{})
	req.Thinking.Now = now
	stream, err := m.fake.Generate(ctx, req)
	return &fakeJob{stream: stream, hurry: sync.OnceFunc(func() { close(now) })}, err
}

func (m *fakeModel) Tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error) {
	return m.fake.Tokenize(ctx, pieces)
}

func (m *fakeModel) TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error) {
	return m.fake.TokenBytes(ctx, tokens)
}

// fakeJob is a stream as a worker's loop gives it.
type fakeJob struct {
	stream engine.Stream
	hurry  func()
}

func (j *fakeJob) AnswerNow() { j.hurry() }

func (j *fakeJob) Events(context.Context) (events []engine.Event, done bool, err error) {
	ev, err := j.stream.Next()
	if err != nil {
		return nil, true, err
	}
	return []engine.Event{ev}, ev.Result != nil, nil
}

func (j *fakeJob) Cancel() { _ = j.stream.Close() }

// answer plays the script's events and faults.
func (m *fakeModel) answer(ctx context.Context, req *engine.Request) func() (engine.Event, error) {
	s, n := m.script, 0
	return func() (engine.Event, error) {
		if n == 0 && s.Hangs && s.once() {
			m.hangs.Store(true)
			select {}
		}
		s.dieAfter(n)
		if req.Thinking.Open {
			select {
			case <-req.Thinking.Now:
			case <-ctx.Done():
			}
		}
		select {
		case <-time.After(s.Pause):
		case <-ctx.Done():
			return engine.Event{}, context.Cause(ctx)
		}
		ev := engine.Event{Text: fmt.Sprintf("%s%d ", req.ID, n)}
		if n++; n == s.Events {
			ev.Result = &engine.Result{FinishReason: engine.FinishStop}
		}
		return ev, nil
	}
}

// once is whether to misbehave: always, or for the first time when Once names a file.
func (s *script) once() bool {
	if s.Once == "" {
		return true
	}
	f, err := os.OpenFile(s.Once, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

func (s *script) dieAfter(events int) {
	at := s.DieAfter
	switch at {
	case 0:
		return
	case -1:
		at = 0
	}
	if events != at {
		return
	}
	if !s.once() {
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// supervise runs a Supervisor with fake workers until the test ends.
func supervise(t *testing.T, s script, edit func(*Options)) (*Supervisor, func() error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Command:    Command{Path: self, Env: append(os.Environ(), playWorker+"=1", "GOTRACEBACK=none"), Config: config},
		MinBackoff: 10 * time.Millisecond, CheckInterval: 10 * time.Millisecond,
	}
	if edit != nil {
		edit(&o)
	}
	sup := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sup.Run(ctx) }()
	stop := func() error {
		cancel()
		err := <-ended
		ended <- err
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return sup, stop
}

func ready(t *testing.T, s *Supervisor) engine.Info {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// answer reads a stream to its end.
func answer(s engine.Stream) (text string, err error) {
	defer s.Close()
	var b strings.Builder
	for {
		ev, err := s.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		b.WriteString(ev.Text)
	}
}

func answerOf(t *testing.T, s *Supervisor, id string) (string, error) {
	t.Helper()
	st, err := s.Generate(t.Context(), &engine.Request{ID: id, Images: []engine.Image{{Width: 1, Height: 1, RGB: []byte("abc")}}})
	if err != nil {
		return "", err
	}
	return answer(st)
}

// becomes waits for the supervisor to see its weights in a state, and returns why they are in it.
func becomes(t *testing.T, s *Supervisor, want engine.State) string {
	t.Helper()
	for {
		now, changed := s.current()
		if now.State == want {
			return now.Reason
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s after 20 s, not %s", now.State, want)
		}
	}
}

// record makes o log into the buffer that it returns.
func record(o *Options) *testkit.Buffer {
	b := &testkit.Buffer{}
	o.Logger = slog.New(slog.NewTextHandler(b, nil))
	return b
}

// sockets counts the folders that children listen in.
func sockets(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(os.TempDir(), "qwenvld-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
