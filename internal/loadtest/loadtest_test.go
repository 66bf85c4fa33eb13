package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/internal/loadtest/drive"
	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
	"github.com/qwenvld/qwenvld/internal/loadtest/report"
	"github.com/qwenvld/qwenvld/internal/loadtest/scenario"
)

// servers are some that answer at once, and that write down who was asked what.
type servers struct {
	mu     sync.Mutex
	asked  []string
	bodies map[string][]string
	look   func(name string) // called while a server answers
}

func (s *servers) start(t *testing.T, name string) Target {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/chat/completions" {
			fmt.Fprint(w, `{"data":[{"id":"m-`+name+`"}]}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(body, &fields)
		s.mu.Lock()
		s.asked = append(s.asked, name)
		s.bodies[name] = append(s.bodies[name], string(fields["messages"]))
		if s.look != nil {
			s.look(name)
		}
		s.mu.Unlock()
		for _, data := range []string{
			`{"choices":[{"delta":{"content":"a"}}]}`, `{"choices":[{"delta":{"content":"b"},"finish_reason":"length"}]}`,
			`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}`, "[DONE]",
		} {
			fmt.Fprintf(w, "data: %s\n\n", data)
		}
	}))
	t.Cleanup(server.Close)
	return Target{Target: drive.Target{Name: name, URL: server.URL}}
}

func options(t *testing.T, targets ...Target) *Options {
	t.Helper()
	found, err := scenario.Named([]string{"text-1", "text-8"})
	if err != nil {
		t.Fatal(err)
	}
	return &Options{
		Targets: targets, Base: targets[len(targets)-1].Name, Scenarios: found, Sizes: scenario.Quick(), Rounds: 3, Seed: 5, Timeout: time.Minute,
	}
}

func TestServersAreAskedInTurnsAndTheSame(t *testing.T) {
	s := &servers{bodies: map[string][]string{}}
	o := options(t, s.start(t, "us"), s.start(t, "rival"))
	var progress []Progress
	var ended []string
	o.Progress = func(p Progress) { progress = append(progress, p) }
	o.Ended = func(_ *report.Report, s *report.Scenario) { ended = append(ended, s.Name) }
	r := &report.Report{}
	if err := Measure(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	// Both are warmed up by a text, a picture and two readers; then text-1 asks one question a round, and text-8 eight.
	var want []string
	add := func(name string, n int) {
		for range n {
			want = append(want, name)
		}
	}
	add("us", 4)
	add("rival", 4)
	for _, n := range []int{1, 8} {
		for _, name := range []string{"us", "rival", "rival", "us", "us", "rival"} {
			add(name, n)
		}
	}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
	// The eight of a round come in any order.
	if us, rival := s.bodies["us"][4:7], s.bodies["rival"][4:7]; !cmp.Equal(us, rival) {
		t.Errorf("they are asked other things:\n%s", cmp.Diff(us, rival))
	}
	seen := map[string]bool{}
	for _, body := range s.bodies["us"] {
		if seen[body] {
			t.Errorf("asked twice, so it may be known: %.100s", body)
		}
		seen[body] = true
	}
	if diff := cmp.Diff([]string{"text-1", "text-8"}, ended); diff != "" {
		t.Errorf("ended: %s", diff)
	}
	if len(progress) != 12 || progress[11] != (Progress{Scenario: "text-8", Target: "rival", Round: 3, Done: 11, Total: 12}) {
		t.Errorf("progress: %+v", progress)
	}
	if r.Targets[0].Model != "m-us" || len(r.Scenarios) != 2 || len(r.Scenarios[1].Rounds["rival"]) != 3 ||
		r.Scenarios[1].Summary["us"]["answer."+measure.AnswerTokens].Median != 16 {
		t.Errorf("%+v", r)
	}
}

func TestServersThatAreWarmAreNotWarmedUp(t *testing.T) {
	s := &servers{bodies: map[string][]string{}}
	o := options(t, s.start(t, "us"))
	o.Cold, o.Rounds, o.Scenarios = true, 1, o.Scenarios[:1]
	if err := Measure(t.Context(), o, &report.Report{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"us"}, s.asked); diff != "" {
		t.Error(diff)
	}
}

func TestWhyAnswersFailIsTold(t *testing.T) {
	s := &servers{bodies: map[string][]string{}}
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":{"message":"there is no room"}}`, http.StatusServiceUnavailable)
	}))
	defer refusing.Close()
	rival := Target{Target: drive.Target{Name: "rival", URL: refusing.URL, Model: "m"}}
	o := options(t, s.start(t, "us"), rival)
	o.Cold = true
	r := &report.Report{}
	if err := Measure(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"rival": "there is no room"}, r.Scenarios[0].Faults); diff != "" {
		t.Error(diff)
	}
}

// sleeper is a process that stands for a server's.
func sleeper(t *testing.T) int {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c.Process.Pid
}

func isStopped(pid int) bool {
	data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return strings.Contains(string(data), ") T ")
}

func TestWhoseTurnItIsNotStandsStill(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are looked up in /proc")
	}
	s := &servers{bodies: map[string][]string{}}
	us, rival := s.start(t, "us"), s.start(t, "rival")
	us.PIDs, rival.PIDs = []int{sleeper(t), sleeper(t)}, []int{sleeper(t)}
	s.look = func(name string) {
		for _, pid := range us.PIDs {
			if isStopped(pid) == (name == "us") {
				t.Errorf("while %s was asked, process %d of us was stopped: %v", name, pid, isStopped(pid))
			}
		}
		if isStopped(rival.PIDs[0]) == (name == "rival") {
			t.Errorf("while %s was asked, rival was stopped: %v", name, isStopped(rival.PIDs[0]))
		}
	}
	r := &report.Report{}
	if err := Measure(t.Context(), options(t, us, rival), r); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(us.PIDs, rival.PIDs...) {
		if isStopped(pid) {
			t.Errorf("process %d was left stopped", pid)
		}
	}
	if held := r.Scenarios[0].Summary["us"][measure.Resident].Median; held < 100<<10 {
		t.Errorf("us hold %v bytes", held)
	}
}

func TestWhatWasMeasuredBeforeAnEndIsKeptAndNobodyLeftStopped(t *testing.T) {
	s := &servers{bodies: map[string][]string{}}
	us, rival := s.start(t, "us"), s.start(t, "rival")
	if runtime.GOOS == "linux" {
		us.PIDs, rival.PIDs = []int{sleeper(t)}, []int{sleeper(t)}
	}
	o := options(t, us, rival)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	o.Ended = func(*report.Report, *report.Scenario) { cancel(why) }
	r := &report.Report{}
	if err := Measure(ctx, o, r); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	if len(r.Scenarios) != 1 {
		t.Errorf("%d scenarios are kept", len(r.Scenarios))
	}
	for _, pid := range append(us.PIDs, rival.PIDs...) {
		if isStopped(pid) {
			t.Errorf("process %d was left stopped", pid)
		}
	}
}

func TestServersThatCannotBeMeasuredAreNamed(t *testing.T) {
	s := &servers{bodies: map[string][]string{}}
	good := s.start(t, "us")
	silent := httptest.NewServer(http.NotFoundHandler())
	defer silent.Close()
	for name, c := range map[string]struct {
		change func(o *Options)
		want   string
	}{
		"no base":    {func(o *Options) { o.Base = "other" }, `"other"`},
		"no model":   {func(o *Options) { o.Targets[0].URL = silent.URL }, "us for its models"},
		"no answer":  {func(o *Options) { o.Targets[0].URL, o.Targets[0].Model = silent.URL, "m" }, "us does not answer"},
		"no process": {func(o *Options) { o.Targets[0].PIDs = []int{1 << 30} }, "server us: "},
	} {
		o := options(t, good)
		c.change(o)
		if err := Measure(t.Context(), o, &report.Report{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
