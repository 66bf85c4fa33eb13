package process

import (
	"errors"
	"fmt"
	"io"

	"github.com/qwenvld/qwenvld/engine"
)

var _ engine.Stream = (*stream)(nil)

// stream is a request that a worker has taken. It ends when the worker does. The request is not sent to the next
// worker, since it may be what killed this one.
type stream struct{ inner *clientStream }

var _ engine.Stream = (*stream)(nil)

// Next implements engine.Stream.
func (s *stream) Next() (engine.Event, error) {
	ev, err := s.inner.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return ev, died(err)
	}
	return ev, err
}

// Close implements engine.Stream.
func (s *stream) Close() error {
	s.inner.close()
	return nil
}

// died says of a broken connection what it means.
func died(err error) error {
	if errors.Is(err, errLost) {
		return fmt.Errorf("%w: %w", engine.ErrWorkerDied, err)
	}
	return err
}
