package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/hub/hubtest"
	"github.com/qwenvld/qwenvld/internal/client"
	"github.com/qwenvld/qwenvld/internal/loadtest/picture"
	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// diskFaults fill the disk.
func diskFaults() []fault {
	kept := settings{disk: "48m", config: "responses: {path: DIR/responses.db}"}
	return []fault{
		{name: "full disk while responses are stored", settings: kept, run: fillStore},
		{name: "full disk while videos and pictures come", settings: kept, run: fillTemp},
		{name: "full disk while weights are pulled", settings: settings{disk: "32m"}, apart: true, run: fillPull},
	}
}

// errNot is what a daemon should have done.
var errNot = errors.New("not as it should be")

// fillStore fills the disk between responses. What was kept can be read meanwhile, answers come without being kept and
// say so, and once there is room they are kept again.
func fillStore(ctx context.Context, s *subject) (err error) {
	first, err := s.respond(ctx)
	if err != nil {
		return err
	}
	if err := s.small.Fill(); err != nil {
		return err
	}
	// The file's last pages may still have room for a few.
	const most = 200
	full := false
	for range most {
		r, err := s.respond(ctx)
		if err != nil {
			return errors.Join(err, s.small.Empty())
		}
		if full = !r.Store; full {
			break
		}
	}
	if status, _, e := s.get(ctx, "/v1/responses/"+first.ID); e != nil || status != http.StatusOK {
		err = errors.Join(fmt.Errorf("%w: what was kept cannot be read: status %d", errNot, status), e)
	}
	if err = errors.Join(err, s.small.Empty()); err != nil {
		return err
	}
	if !full {
		return fmt.Errorf("%w: responses are said to be kept on a full disk", errNot)
	}
	// The store is left alone for a few seconds after it could not be used.
	const patience = time.Minute
	return daemon.Await(ctx, patience, func() bool {
		r, err := s.respond(ctx)
		return err == nil && r.Store
	})
}

// response is what matters of a stored one.
type response struct {
	ID    string
	Store bool
}

// respond asks for a response that is to be kept.
func (s *subject) respond(ctx context.Context) (*response, error) {
	r := &traffic.Request{Path: "/v1/responses", Body: map[string]any{
		"model": traffic.Of("instruct"), "input": strings.Repeat("hello ", 200), "max_output_tokens": 4, "store": true,
	}}
	body, err := r.JSON()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.daemon().URL+r.Path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		s.ledger.Note(traffic.Result{Outcome: traffic.Lost, Reason: err.Error()})
		return nil, fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = reply.Body.Close() }()
	if reply.StatusCode != http.StatusOK {
		out := traffic.ReadRefusal(reply)
		s.ledger.Note(out)
		return nil, fmt.Errorf("%w: status %d: %s", errNot, out.Status, out.Reason)
	}
	var got response
	if err := json.NewDecoder(reply.Body).Decode(&got); err != nil {
		return nil, fmt.Errorf("read a response: %w", err)
	}
	s.ledger.Note(traffic.Result{Outcome: traffic.Answered})
	return &got, nil
}

func (s *subject) get(ctx context.Context, path string) (status int, body []byte, err error) {
	c := client.New(client.Options{URL: s.daemon().URL})
	defer c.Close()
	return c.Get(ctx, path)
}

// fillTemp sends what needs temporary files where there is no room for them.
func fillTemp(ctx context.Context, s *subject) error {
	const side, frames, perSecond = 64, 8, 4
	film, err := picture.Film(side, side, frames, perSecond, s.next())
	if err != nil {
		return fmt.Errorf("draw a film: %w", err)
	}
	if err := s.small.Fill(); err != nil {
		return err
	}
	ask := func() {
		c := s.newCrowd(ctx)
		const requests = 3
		for i := range requests {
			c.ask(traffic.Video(traffic.Of("instruct"), picture.DataURI("video/avi", film)))
			c.ask(traffic.Image(traffic.Of("instruct"), s.arena.Pictures[i]))
		}
		c.wait()
	}
	ask()
	if err := s.small.Empty(); err != nil {
		return err
	}
	ask()
	return nil
}

// fillPull fills the disk in the middle of a download, after its room was looked for. The pull says so and ends; the
// next goes on with what there is.
func fillPull(ctx context.Context, s *subject) (err error) {
	h := hubtest.New()
	defer h.Close()
	const repo = "org/Test-Instruct-GGUF"
	files := map[string]string{"Test-Instruct-Q4_K_M.gguf": "instruct.gguf", "mmproj-Test-Instruct-F16.gguf": "projector.gguf"}
	for name, file := range files {
		data, err := os.ReadFile(filepath.Join(s.Weights, file)) //nolint:gosec // whoever runs the trial names the folder
		if err != nil {
			return fmt.Errorf("read weights: %w", err)
		}
		h.Add(repo, name, data)
	}
	filled := make(chan error, 1)
	h.SetFault(func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
		if n > 1 {
			return false
		}
		half := len(content) / 2
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:half])
		_ = http.NewResponseController(w).Flush()
		filled <- s.small.Fill()
		_, _ = w.Write(content[half:])
		return true
	})
	said, code := s.pull(ctx, h.Front.URL, repo)
	if err := <-filled; err != nil {
		return err
	}
	if code == 0 || !strings.Contains(said, "space") {
		s.ledger.Note(traffic.Result{Outcome: traffic.Lost, Reason: "pull on a full disk says: " + said})
	} else {
		s.ledger.Note(traffic.Result{Outcome: traffic.Told, Reason: said})
	}
	s.note = "the pull said: " + lastLine(said)
	if err := s.small.Empty(); err != nil {
		return err
	}
	if said, code = s.pull(ctx, h.Front.URL, repo); code != 0 {
		s.ledger.Note(traffic.Result{Outcome: traffic.Lost, Reason: "pull once there is room: " + said})
		return nil
	}
	s.ledger.Note(traffic.Result{Outcome: traffic.Answered})
	return nil
}

// pull runs the daemon's command and returns what it says and how it exits.
func (s *subject) pull(ctx context.Context, hub, repo string) (said string, code int) {
	cmd := exec.CommandContext(ctx, s.Binary, "pull", "hf.co/"+repo) //nolint:gosec // the binary under trial
	cmd.Env = append(append([]string(nil), s.Environ...), "HF_ENDPOINT="+hub, "HF_HOME="+filepath.Join(s.dir, "hf"), "TMPDIR="+s.dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return out.String(), exit.ExitCode()
	case err != nil:
		return err.Error(), -1
	}
	return out.String(), 0
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
