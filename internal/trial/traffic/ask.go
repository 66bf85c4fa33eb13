// Package traffic asks a daemon for answers as clients do, on each of its surfaces, and writes down what becomes of
// every request: an answer, a refusal with its reason, an error that was told, or nothing.
//
// It must not know what happens to the daemon meanwhile.
package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// patience is how long a request may go on before nobody waits for it any more, and it counts as lost.
const patience = 3 * time.Minute

// Client asks one daemon. It is safe for concurrent use.
type Client struct {
	URL string
	// Key gives the API key for the next request; nil where none is needed.
	Key  func() string
	http http.Client
}

// NewClient returns a Client, which the caller must Close.
func NewClient(url string, key func() string) *Client {
	const many = 64
	return &Client{URL: url, Key: key, http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: many}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ErrLeft is why a context ends whose client leaves on purpose.
var ErrLeft = errors.New("the client left")

// Progress is how far a request has come. It is safe for concurrent use.
type Progress struct {
	mu    sync.Mutex
	begun bool
	texts int
}

// Begun tells whether the reply has begun.
func (p *Progress) Begun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

// Texts is how many pieces of text have come.
func (p *Progress) Texts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.texts
}

func (p *Progress) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = true
}

func (p *Progress) text() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.texts++
}

// Ask sends r and returns what became of it. It tells p, unless that is nil, how far it is.
func (c *Client) Ask(ctx context.Context, r *Request, p *Progress) Result {
	if p == nil {
		p = &Progress{}
	}
	limited, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no end after %v", patience))
	defer cancel()
	out := c.ask(limited, r, p)
	switch cause := context.Cause(limited); {
	case out.Outcome != Lost:
	case errors.Is(cause, ErrLeft):
		out.Outcome = Left
	case cause != nil:
		out.Reason = cause.Error()
	}
	if out.Outcome == Lost {
		out.Reason = r.Path + ": " + out.Reason
	}
	return out
}

func (c *Client) ask(ctx context.Context, r *Request, p *Progress) Result {
	body, err := r.JSON()
	if err != nil {
		return lost(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+r.Path, bytes.NewReader(body))
	if err != nil {
		return lost(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Key != nil {
		req.Header.Set("Authorization", "Bearer "+c.Key())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return lost(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return ReadRefusal(resp)
	}
	p.begin()
	if r.streams() {
		return readStream(resp.Body, r.form(), p)
	}
	return readWhole(resp.Body, r.form())
}

func lost(err error) Result { return Result{Outcome: Lost, Reason: err.Error()} }

// ReadRefusal reads a reply that is no answer. It is a refusal only where a reason comes with the status.
func ReadRefusal(resp *http.Response) Result {
	const most = 1 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return lost(fmt.Errorf("status %d, and then: %w", resp.StatusCode, err))
	}
	reason := readError(body)
	if reason == "" {
		return lost(fmt.Errorf("status %d without a reason: %.100s", resp.StatusCode, body))
	}
	return Result{Outcome: Refused, Status: resp.StatusCode, Reason: reason}
}

// readError finds the message of an error in any surface's form, "" where there is none.
func readError(body []byte) string {
	var reply struct {
		Error    json.RawMessage `json:"error"`
		Response struct {
			Error json.RawMessage `json:"error"`
		} `json:"response"`
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	if reply.Type == "error" && reply.Message != "" {
		return reply.Message // an event of responses
	}
	for _, raw := range []json.RawMessage{reply.Error, reply.Response.Error} {
		var text string
		if json.Unmarshal(raw, &text) == nil && text != "" {
			return text // Ollama's form
		}
		var told struct{ Message string }
		if json.Unmarshal(raw, &told) == nil && told.Message != "" {
			return told.Message
		}
	}
	return ""
}
