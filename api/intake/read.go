package intake

import (
	"errors"
	"io"
	"time"
)

// firstRead is how large a buffer begins.
const firstRead = 4 << 10

// read fills b.Bytes, whose buffer grows with what has come in: what a body says of its length reserves nothing.
func (b *Body) read() error {
	limit := b.limits.Body
	buf := make([]byte, 0, firstRead)
	var until time.Time
	for {
		if len(buf) == cap(buf) {
			larger, err := b.grow(buf)
			if err != nil {
				return err
			}
			buf = larger
		}
		if next := b.due(); next.Sub(until) > b.limits.Grace/8 {
			if !b.extend(next) {
				return ErrCrowded
			}
			until = next
		}
		n, err := b.src.Reader.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		b.note(int64(n))
		switch {
		case int64(len(buf)) > limit:
			return &TooLargeError{limit}
		case errors.Is(err, io.EOF):
			b.Bytes = buf
			return nil
		case err != nil:
			return err
		}
	}
}

// grow doubles a buffer, or makes it as large as the body will be: one byte more lets the last read see the end.
func (b *Body) grow(buf []byte) ([]byte, error) {
	size := min(2*int64(cap(buf)), b.limits.Body+1)
	if b.src.Length > 0 && b.src.Length < size {
		size = max(b.src.Length, int64(len(buf))) + 1
	}
	if more := size - Small - b.counted; size > Small {
		if err := b.Hold(more); err != nil {
			return nil, err
		}
	}
	return append(make([]byte, 0, size), buf...), nil
}

// due is when the bytes so far are too few.
func (b *Body) due() time.Time {
	l := b.limits
	return b.start.Add(l.Grace + time.Duration(float64(b.got)/float64(l.Rate)*float64(time.Second)))
}

// extend sets the deadline of reads, unless the body was broken off.
func (b *Body) extend(until time.Time) bool {
	b.intake.mu.Lock()
	defer b.intake.mu.Unlock()
	if !b.broken {
		b.src.Deadline(until)
	}
	return !b.broken
}

func (b *Body) note(n int64) {
	b.intake.mu.Lock()
	defer b.intake.mu.Unlock()
	b.got += n
}
