package multimodal

import (
	"context"
	"errors"
	"io"
)

// interruptible reads data until ctx is done: decoders take no context, but all of them read as they go. A read gives
// little, so that not much can be decoded between two of them.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	const most = 1 << 10
	return readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, errInterrupted
		}
		return r.Read(p[:min(len(p), most)])
	})
}

// interruptibleAt is interruptible for decoders that go back and forth.
func interruptibleAt(ctx context.Context, r io.ReaderAt) io.Reader {
	return struct {
		io.Reader
		readerAtFunc
	}{nil, func(p []byte, off int64) (int, error) {
		if ctx.Err() != nil {
			return 0, errInterrupted
		}
		return r.ReadAt(p, off)
	}}
}

var errInterrupted = errors.New("decoding was given up")

// readerFunc is an io.Reader of one function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// readerAtFunc is an io.ReaderAt of one function.
type readerAtFunc func(p []byte, off int64) (int, error)

func (f readerAtFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }
