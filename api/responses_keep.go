package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/history"
)

const (
	headerStored = "X-Qwenvld-Stored"
	// Of background responses that could not be stored when they ended, so many are held until they can be, each so long.
	maxUnsettled   = 64
	settleAgain    = 5 * time.Second
	settlePatience = time.Hour
)

// keep stores the response as it ended. What cannot be stored is delivered nevertheless, and says so.
func (b *responseBuilder) keep(kept *history.Response) {
	if !b.response.Store {
		return
	}
	var err error
	if kept.Body, err = json.Marshal(b.response); err == nil {
		// Whoever leaves now may ask for the response later.
		err = b.server.cfg.Store.Put(context.WithoutCancel(b.ctx), kept)
	}
	if err != nil {
		b.response.Store, b.response.StoreError = false, storeError(err)
		b.record.unstored = true
		b.server.cfg.Metrics.Unstored()
	}
}

func storeError(err error) *responseError {
	if errors.Is(err, history.ErrTooLarge) {
		return &responseError{
			Code: "response_too_large", Message: "The response was not stored: it is larger than all that this server keeps.",
		}
	}
	return &responseError{Code: codeStore, Message: "The response was not stored: the server cannot write at the moment."}
}

// watchStore logs when responses can no longer be stored, and when they can again.
func (s *Server) watchStore(err error) {
	ctx := context.Background()
	if err != nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelError, "responses cannot be stored; answers are given without", slog.Any("error", err))
		return
	}
	s.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "responses can be stored again")
}

// past returns the lists of items of the response id and those before it, oldest first. What they have together is bounded as a body is.
func (s *Server) past(ctx context.Context, id string) ([]json.RawMessage, error) {
	const param = "previous_response_id"
	if id != "" && s.cfg.Store == nil {
		return nil, badField(param, codeUnsupported, "this server keeps no responses; send the whole conversation as input")
	}
	left := s.cfg.Limits.BodyBytes
	var lists []json.RawMessage
	for id != "" {
		if len(lists) > 2*s.decoder.limits.Messages {
			return nil, badField(param, codeInvalidValue, "the conversation has too many turns")
		}
		kept, err := s.turn(ctx, id, left)
		switch {
		case errors.Is(err, history.ErrNotFound):
			return nil, responseNotFound(id, param)
		case errors.Is(err, history.ErrTooLarge):
			return nil, badField(param, codeContextLength, "the conversation has more than %d bytes", s.cfg.Limits.BodyBytes)
		case err != nil:
			return nil, err
		}
		size := int64(len(kept.Input)) + int64(len(kept.Body))
		if err := visitOf(ctx).body.Hold(size); err != nil {
			return nil, bodyError(err)
		}
		left -= size
		var body struct {
			Status string          `json:"status"`
			Output json.RawMessage `json:"output"`
		}
		if err := json.Unmarshal(kept.Body, &body); err != nil {
			return nil, err
		}
		if body.Status != statusCompleted && body.Status != statusIncomplete {
			return nil, badField(param, codeInvalidValue, "the response %s is %s, so nothing can follow it", abbreviate(id), body.Status)
		}
		lists = append([]json.RawMessage{kept.Input, body.Output}, lists...)
		id = kept.Previous
	}
	return lists, nil
}

// turn finds a response to go on from, of at most so many bytes; one that could not be stored yet is still here.
func (s *Server) turn(ctx context.Context, id string, most int64) (*history.Response, error) {
	kept, err := s.cfg.Store.GetBounded(ctx, ownerOf(ctx), id, most)
	if run := s.runs.find(ownerOf(ctx), id); run != nil && err != nil && !errors.Is(err, history.ErrTooLarge) {
		return run.response(), nil
	}
	return kept, err
}

// settle stores a background response that has ended, and says whether that is done with, one way or the other.
func (s *Server) settle(ctx context.Context, r *run) bool {
	kept := r.response()
	kept.Events = r.lines()
	err := s.cfg.Store.Update(ctx, kept)
	if errors.Is(err, history.ErrTooLarge) { // better without its events than not at all
		kept.Events = nil
		err = s.cfg.Store.Update(ctx, kept)
	}
	if errors.Is(err, history.ErrNotFound) && !r.unwanted() { // it made room for others meanwhile
		err = s.cfg.Store.Put(ctx, kept)
	}
	if err == nil || errors.Is(err, history.ErrNotFound) {
		return true
	}
	s.cfg.Metrics.Unstored()
	return false
}

// settleLater tries again to store a response that clients can read meanwhile, until it is stored, nobody wants it, too many others are
// held, or the server stops.
func (s *Server) settleLater(ctx context.Context, r *run) {
	if s.unsettled.Add(1); s.unsettled.Load() <= maxUnsettled {
		patience := time.NewTimer(settlePatience)
		defer patience.Stop()
		again := time.NewTicker(settleAgain)
		defer again.Stop()
		for waiting := true; waiting; {
			select {
			case <-again.C:
				if r.unwanted() || s.settle(ctx, r) {
					s.unsettled.Add(-1)
					return
				}
			case <-patience.C:
				waiting = false
			case <-s.stopping:
				waiting = false
			}
		}
	}
	s.unsettled.Add(-1)
	s.cfg.Logger.LogAttrs(ctx, slog.LevelError, "a background response is lost, since it could not be stored",
		slog.String("response", r.kept.ID))
}

// storeFailure is what a client is told when kept responses cannot be read or written.
func storeFailure(err error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Type: typeServer, Code: codeStore, RetryAfter: settleAgain,
		Message: "Responses cannot be stored or read at the moment.", cause: err,
	}
}
