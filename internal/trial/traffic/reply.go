package traffic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tmaxmax/go-sse"
)

// form is how the replies of a surface are written.
type form int

const (
	chat form = iota
	completion
	responses
	messages
	lines // Ollama's
)

// event is what matters of any surface's events, and of its replies in one piece.
type event struct {
	Type    string // of responses and messages
	Done    bool   // Ollama's
	Choices []struct {
		Text  string
		Delta struct {
			Content   string
			Reasoning string `json:"reasoning_content"`
		}
		FinishReason string `json:"finish_reason"`
	}
	Delta      json.RawMessage // a text, or an object with one
	StopReason string          `json:"stop_reason"`
	Message    json.RawMessage // Ollama's, with content
	Status     string          // of a whole response
}

// readWhole reads a reply in one piece.
func readWhole(r io.Reader, f form) Result {
	body, err := io.ReadAll(r)
	if err != nil {
		return lost(fmt.Errorf("the reply broke off: %w", err))
	}
	if reason := readError(body); reason != "" {
		return Result{Outcome: Told, Reason: reason}
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return lost(fmt.Errorf("the reply is no JSON: %w", err))
	}
	whole := false
	switch f {
	case chat, completion:
		whole = len(e.Choices) > 0 && e.Choices[0].FinishReason != ""
	case responses:
		whole = e.Status == "completed" || e.Status == "incomplete"
	case messages:
		whole = e.StopReason != ""
	case lines:
		whole = e.Done
	}
	if !whole {
		return lost(fmt.Errorf("a reply without an end: %.200s", body))
	}
	return Result{Outcome: Answered}
}

// errCut is a stream that ends before its answer does.
var errCut = errors.New("the stream ends without an end of the answer or an error")

// readStream reads a reply in events to the one that ends it.
func readStream(r io.Reader, f form, p *Progress) Result {
	if f == lines {
		return readLines(r, p)
	}
	finished := false // an answer has ended; more may follow
	const most = 64 << 20
	for e, err := range sse.Read(r, &sse.ReadConfig{MaxEventSize: most}) {
		if err != nil {
			return lost(fmt.Errorf("the stream broke off: %w", err))
		}
		if e.Data == "[DONE]" {
			if !finished {
				return lost(errCut)
			}
			return Result{Outcome: Answered}
		}
		ended, out := readEvent([]byte(e.Data), p, &finished)
		if ended {
			return out
		}
	}
	return lost(errCut)
}

// readEvent tells whether the event ends the stream, and how.
func readEvent(data []byte, p *Progress, finished *bool) (ended bool, out Result) {
	if reason := readError(data); reason != "" {
		return true, Result{Outcome: Told, Reason: reason}
	}
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		return true, lost(fmt.Errorf("an event is no JSON: %w", err))
	}
	for i := range e.Choices {
		c := &e.Choices[i]
		if c.Delta.Content != "" || c.Delta.Reasoning != "" || c.Text != "" {
			p.text()
		}
		*finished = *finished || c.FinishReason != ""
	}
	switch {
	case e.Type == "response.completed" || e.Type == "response.incomplete" || e.Type == "message_stop":
		return true, Result{Outcome: Answered}
	case e.Type == "content_block_delta" || strings.HasSuffix(e.Type, "_text.delta"):
		p.text()
	}
	return false, Result{}
}

// readLines reads Ollama's stream: a JSON value a line.
func readLines(r io.Reader, p *Progress) Result {
	for decoder := json.NewDecoder(r); ; {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return lost(errCut)
		} else if err != nil {
			return lost(fmt.Errorf("the stream broke off: %w", err))
		}
		if reason := readError(raw); reason != "" {
			return Result{Outcome: Told, Reason: reason}
		}
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			return lost(fmt.Errorf("a line is not of the form: %w", err))
		}
		if e.Done {
			return Result{Outcome: Answered}
		}
		if bytes.Contains(e.Message, []byte(`"content"`)) {
			p.text()
		}
	}
}
