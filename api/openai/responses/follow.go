package responses

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/qwenvld/qwenvld/api/web"
)

// follow sends the events of a job from number first on until it ends. A client that leaves ends the stream, not the
// job.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, j *job, first int) error {
	out, err := h.o.Trip.Edge.NewStream(w, r, web.SSE)
	if err != nil {
		return err
	}
	web.RecordOf(r.Context()).Stream = true
	ctx, leave := context.WithCancelCause(r.Context())
	defer leave(nil)
	out.OnGone = leave
	out.Begin()
	if out.Flush() != nil { // the client sees that it is answered, though there may be no event for long
		return nil
	}
	reader := &jobReader{job: j, ctx: ctx, next: first}
	// An error means that the client left.
	_ = web.Relay(out, reader, func(m web.Message) ([]web.Message, error) { return []web.Message{m}, nil })
	return nil
}

// replay sends kept events from number first on.
func (h *Handler) replay(w http.ResponseWriter, r *http.Request, lines []byte, first int) error {
	messages, err := keptMessages(lines, first)
	if err != nil {
		return err
	}
	out, err := h.o.Trip.Edge.NewStream(w, r, web.SSE)
	if err != nil {
		return err
	}
	web.RecordOf(r.Context()).Stream = true
	out.Begin()
	if out.Send(messages...) == nil {
		_ = out.Flush() // the client left
	}
	return nil
}

// keptMessages reads events as they are kept, from number first on.
func keptMessages(lines []byte, first int) ([]web.Message, error) {
	var out []web.Message
	for line := range bytes.Lines(lines) {
		var ev struct {
			Type     string `json:"type"`
			Sequence int    `json:"sequence_number"`
		}
		if err := json.Unmarshal(line, &ev); err != nil {
			return nil, fmt.Errorf("read a kept event: %w", err)
		}
		if ev.Sequence >= first {
			out = append(out, web.Message{Event: ev.Type, Data: bytes.TrimSuffix(line, []byte("\n"))})
		}
	}
	return out, nil
}
