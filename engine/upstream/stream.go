package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/pool"
)

const (
	// maxEvent bounds an event of a stream, in bytes.
	maxEvent = 4 << 20
	// longestEnd is how long a reply may take to end whose answer has.
	longestEnd = 100 * time.Millisecond
)

// Stream is an answer as it comes. One goroutine uses it.
type Stream struct {
	cluster *Cluster
	target  *target
	lease   *pool.Lease
	ctx     context.Context //nolint:containedctx // lives as long as the stream
	cancel  context.CancelCauseFunc
	// watch ends a stream whose first token does not come, silence one that is silent while it is read.
	watch, silence *time.Timer
	header         http.Header
	body           io.ReadCloser
	events         func() (sse.Event, error, bool)
	stop           func()
	// ahead are deltas that were read to find the first token.
	ahead []dialect.Delta
	lead  dialect.Delta
	usage *engine.Usage
	most  int
	// id is the server's name of the answer, where something can be wanted of it meanwhile.
	id string
	// finished says that the server said how the answer ended, over that nothing is to come, released that the place
	// was given back.
	finished, over, released bool
}

// Dialect is that of the server that answers.
func (s *Stream) Dialect() *dialect.Dialect { return s.target.group.Dialect }

// Server names the server that answers.
func (s *Stream) Server() string { return s.target.id }

// First is the first part of the answer, which has come.
func (s *Stream) First() dialect.Delta { return s.lead }

// Most is how long the answer may get, in tokens, where the server told with the first part; 0 where it did not.
func (s *Stream) Most() int { return s.most }

// TakesHurry says whether AnswerNow can be asked of the server.
func (s *Stream) TakesHurry() bool { return s.id != "" }

// AnswerNow has the server end the answer's thoughts, after which the stream goes on with the answer itself. Another
// goroutine than that of the stream may call it, until the stream is closed.
func (s *Stream) AnswerNow(ctx context.Context) error {
	path := strings.Replace(s.target.group.Dialect.Paths.AnswerNow, "{id}", url.PathEscape(s.id), 1)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.target.url(path), http.NoBody)
	if err != nil {
		return fmt.Errorf("ask a server: %w", err)
	}
	s.target.authorize(req.Header)
	_, err = s.cluster.small(req)
	return err
}

// Told is the usage that the server told with the first part, nil where it told none.
func (s *Stream) Told() *engine.Usage { return s.usage }

func (s *Stream) read() {
	s.events, s.stop = iter.Pull2(sse.Read(s.body, &sse.ReadConfig{MaxEventSize: maxEvent}))
}

// first reads up to the first delta that is a part of the answer.
func (s *Stream) first() error {
	for {
		d, err := s.next()
		if err != nil {
			return err
		}
		s.ahead = append(s.ahead, d)
		if d.Usage != nil && (s.usage == nil || s.usage.PromptTokens <= 0) {
			s.usage = d.Usage
		}
		s.most = max(s.most, d.MaxTokens)
		s.lead = d
		if d.Text != "" || d.Thoughts != "" || d.Calls != nil || d.Finish != "" {
			return nil
		}
	}
}

var errCut = errors.New("its stream ended before the answer did")

// next reads one event.
func (s *Stream) next() (dialect.Delta, error) {
	for {
		ev, err, ok := s.events()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return dialect.Delta{}, err
		case !ok || err != nil || ev.Data == dialect.Done:
			if !s.finished {
				return dialect.Delta{}, errCut
			}
			return dialect.Delta{}, io.EOF
		case ev.Data == "":
			continue
		}
		d, err := dialect.Read([]byte(ev.Data))
		if err != nil {
			return dialect.Delta{}, err
		}
		s.finished = s.finished || d.Finish != ""
		if s.id == "" && s.target.group.Dialect.Paths.AnswerNow != "" {
			s.id = dialect.AnswerID([]byte(ev.Data))
		}
		return d, nil
	}
}

// Next gives what comes next of the answer, and io.EOF after its end. Other errors are a *FailedError or the cause of
// the context that the stream was opened with.
func (s *Stream) Next() (dialect.Delta, error) {
	if len(s.ahead) > 0 {
		d := s.ahead[0]
		s.ahead = s.ahead[1:]
		return d, nil
	}
	if s.over {
		return dialect.Delta{}, io.EOF
	}
	s.listen()
	d, err := s.next()
	s.silence.Stop()
	switch {
	case err == nil:
		return d, nil
	case errors.Is(err, io.EOF), s.finished && s.ctx.Err() == nil: // what breaks after the answer takes nothing from it
		s.over = true
		return d, io.EOF
	}
	s.over = true
	err = s.because(err)
	if s.ctx.Err() != nil && !errors.Is(err, errSilent) {
		s.end(pool.Unknown, Abandoned)
		return d, err
	}
	s.end(pool.Failed, Failed)
	return d, &FailedError{Server: s.target.id, Err: err, Begun: true}
}

// listen begins to measure the server's silence. While nobody reads nothing is measured.
func (s *Stream) listen() {
	if s.silence == nil {
		s.silence = time.AfterFunc(s.cluster.o.Timeouts.Silence, func() { s.cancel(errSilent) })
		return
	}
	s.silence.Reset(s.cluster.o.Timeouts.Silence)
}

// Close ends the stream. A server that was still at it is told by the end of the connection.
func (s *Stream) Close() {
	switch {
	case s.over && s.finished:
		s.end(pool.Served, Answered)
	default: // a token has come, so the server works
		s.end(pool.Served, Abandoned)
	}
}

func (s *Stream) end(v pool.Verdict, o Outcome) {
	if s.release(v, 0) {
		s.cluster.count(s.target.id, o)
	}
}

// release lets go of the server. It reports whether that had not been done.
func (s *Stream) release(v pool.Verdict, wait time.Duration) bool {
	if s.released {
		return false
	}
	s.released = true
	if s.watch != nil {
		s.watch.Stop()
	}
	if s.cancel != nil {
		defer s.cancel(context.Canceled)
	}
	if s.over && s.finished && s.body != nil {
		// What is left is the end of the reply; read, the connection serves again.
		late := time.AfterFunc(longestEnd, func() { s.cancel(errSilent) })
		_, _ = io.CopyN(io.Discard, s.body, maxRefusal)
		late.Stop()
	} else if s.cancel != nil {
		s.cancel(context.Canceled)
	}
	if s.stop != nil {
		s.stop()
	}
	if s.body != nil {
		_ = s.body.Close() // nothing of it is wanted
	}
	s.lease.End(s.cluster.o.Now(), v, wait)
	return true
}
