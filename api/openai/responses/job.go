package responses

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/web"
)

// errCancelled is the cancellation cause of a background response whose client does not want it any more.
var errCancelled = errors.New("the response was cancelled")

// job is a background response in the making, or one that waits to be stored. Its goroutine adds events, any number of
// clients read them.
type job struct {
	kept   history.Response // as it was when it began
	cancel func(cause error)
	// ended is closed when the response has ended and is stored, if it could be; over when the job's goroutine ends.
	ended, over chan struct{}

	mu       sync.Mutex
	deleted  bool
	messages []web.Message // each at the place of its event's number
	body     []byte        // the response as last told
	// changed is closed, and replaced, when something was added.
	changed chan struct{}
}

func newJob(kept *history.Response, cancel func(error)) *job {
	return &job{
		kept: *kept, cancel: cancel,
		ended: make(chan struct{}), over: make(chan struct{}), changed: make(chan struct{}),
	}
}

// add numbers events and keeps them for those who read.
func (j *job) add(events []Event) error {
	for i := range events {
		if err := j.addOne(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

// addOne is called by one goroutine, so no other changes how many messages there are.
func (j *job) addOne(ev *Event) error {
	m, err := message(ev, len(j.messages))
	if err != nil {
		return err
	}
	var body []byte
	if ev.Response != nil {
		if body, err = json.Marshal(ev.Response); err != nil {
			return fmt.Errorf("encode a response: %w", err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.messages = append(j.messages, m)
	if body != nil {
		j.body = body
	}
	close(j.changed)
	j.changed = make(chan struct{})
	return nil
}

// since gives the messages from number first on, and a channel that closes when there are more.
func (j *job) since(first int) ([]web.Message, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.messages[min(first, len(j.messages)):], j.changed
}

// snapshot is the response as last told.
func (j *job) snapshot() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.body
}

// asKept is the response as it is now, without its events.
func (j *job) asKept() *history.Response {
	kept := j.kept
	kept.Body = j.snapshot()
	return &kept
}

// lines are the events as they are kept.
func (j *job) lines() []byte {
	messages, _ := j.since(0)
	out := []byte{}
	for i := range messages {
		out = append(append(out, messages[i].Data...), '\n')
	}
	return out
}

// remove ends a response that its client deletes.
func (j *job) remove() {
	j.mu.Lock()
	j.deleted = true
	j.mu.Unlock()
	j.cancel(errCancelled)
}

// isDeleted says whether the client deleted it.
func (j *job) isDeleted() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.deleted
}

// jobReader reads the messages of a job until it has ended. One goroutine uses it.
type jobReader struct {
	job *job
	// ctx is that of the client that reads.
	ctx  context.Context //nolint:containedctx // lives as long as the client reads
	next int
}

var _ web.Source[web.Message] = (*jobReader)(nil)

// Next blocks until there is a message.
func (r *jobReader) Next() (web.Message, error) {
	for {
		over := r.job.hasEnded() // asked first: nothing is added afterwards
		messages, changed := r.job.since(r.next)
		if len(messages) > 0 {
			r.next++
			return messages[0], nil
		}
		if over {
			return web.Message{}, io.EOF
		}
		select {
		case <-changed:
		case <-r.job.ended:
		case <-r.ctx.Done():
			return web.Message{}, context.Cause(r.ctx)
		}
	}
}

// Ready says whether there is a message that was not read.
func (r *jobReader) Ready() bool {
	messages, _ := r.job.since(r.next)
	return len(messages) > 0
}

func (j *job) hasEnded() bool {
	select {
	case <-j.ended:
		return true
	default:
		return false
	}
}

// jobs are the background responses in the making and those that wait to be stored. The zero value is ready.
type jobs struct {
	mu      sync.Mutex
	running map[*job]struct{}
}

// find gives the owner's job for a response, nil if there is none.
func (s *jobs) find(owner, id string) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for j := range s.running {
		if j.kept.ID == id && j.kept.Owner == owner {
			return j
		}
	}
	return nil
}

// start has work done for j in a goroutine, which wait waits for.
func (s *jobs) start(j *job, work func()) {
	s.mu.Lock()
	if s.running == nil {
		s.running = map[*job]struct{}{}
	}
	s.running[j] = struct{}{}
	s.mu.Unlock()
	go func() {
		defer s.end(j)
		work()
	}()
}

func (s *jobs) end(j *job) {
	s.mu.Lock()
	delete(s.running, j)
	s.mu.Unlock()
	close(j.over)
}

// wait returns when there is no job any more, or when ctx is done with its error.
func (s *jobs) wait(ctx context.Context) error {
	for j := s.any(); j != nil; j = s.any() {
		select {
		case <-j.over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *jobs) any() *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for j := range s.running {
		return j
	}
	return nil
}
