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
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
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
	LoadError string        `json:"load_error,omitempty"`
	Protocol  int           `json:"protocol,omitempty"`
	LoadTime  time.Duration `json:"load_time,omitempty"`
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
	// Events of an answer and the pause before each; 0 events means to refuse as overloaded.
	Events int           `json:"events"`
	Pause  time.Duration `json:"pause,omitempty"`
	// Closed names a file that is made when a request is given up.
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
	time.Sleep(s.LoadTime)
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
	go func() { _ = http.Serve(l, s.handler()) }()
	say(wire.Hello{State: wire.StateReady})
	_, _ = io.Copy(io.Discard, in)
	if s.Stubborn {
		select {}
	}
	return nil
}

func (s *script) handler() http.Handler {
	mux := http.NewServeMux()
	var requests atomic.Int32
	var hangs atomic.Bool
	mux.HandleFunc("GET "+wire.PathHealth, func(w http.ResponseWriter, _ *http.Request) {
		if s.Deaf {
			select {}
		}
		_ = json.NewEncoder(w).Encode(wire.Health{Decode: wire.Pulse{Busy: hangs.Load(), Beats: 1, Steps: 1}})
	})
	mux.HandleFunc("GET "+wire.PathInfo, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(engine.Info{Name: "fake", ContextSize: os.Getpid(), TokenBytes: 4})
	})
	mux.HandleFunc("POST "+wire.PathGenerate, func(w http.ResponseWriter, r *http.Request) {
		req, pixels, err := wire.DecodeRequest(r.Body)
		if err == nil {
			err = pixels.Read()
		}
		if err == nil && s.Events == 0 {
			err = engine.ErrOverloaded
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(wire.ErrorOf(err))
			return
		}
		requests.Add(1)
		rc := http.NewResponseController(w)
		_ = rc.Flush()
		if s.Hangs && s.once() {
			hangs.Store(true)
			select {}
		}
		enc := json.NewEncoder(w)
		for i := range s.Events {
			s.dieAfter(i)
			select {
			case <-time.After(s.Pause):
			case <-r.Context().Done():
				_ = os.WriteFile(s.Closed, nil, 0o600)
				return
			}
			ev := engine.Event{Text: fmt.Sprintf("%s%d ", req.ID, i)}
			if i == s.Events-1 {
				ev.Result = &engine.Result{FinishReason: engine.FinishStop}
			}
			_ = enc.Encode(wire.Frame{Event: &ev})
			_ = rc.Flush()
		}
	})
	return mux
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
		now, changed := s.get()
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
func record(o *Options) *lockedBuffer {
	b := &lockedBuffer{}
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
