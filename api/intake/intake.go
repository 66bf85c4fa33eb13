// Package intake reads the bodies of requests so that slow and large ones harm nobody but their senders. A body must
// keep up a least rate, and what all bodies hold together is bounded. When places or bytes run out, a slow body of the
// client that holds most makes room.
//
// It knows bytes and the names of clients. It must not know what a body means, and waits for nothing but the network.
package intake

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrSlow means that a body came in more slowly than it must.
	ErrSlow = errors.New("the body comes in too slowly")
	// ErrCrowded means that there is no room for the body at the moment, be it in places or in bytes.
	ErrCrowded = errors.New("too much is being received")
)

// TooLargeError refuses a body of more than Limit bytes.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the body is larger than %d bytes", e.Limit)
}

// Limits bound what is read.
type Limits struct {
	// Body bounds one body, Total what all that are held have beyond their first Small bytes.
	Body, Total int64
	// Readers bounds how many are read at a time.
	Readers int
	// Rate is how many bytes a second a body must have on average, from Grace after its beginning on.
	Rate  int64
	Grace time.Duration
}

const (
	// Small is how much of every body is not counted, so that large ones never keep small ones out.
	Small = 64 << 10
	// leisurely is how many times Rate a body must have to be safe from being broken off for others, once it is
	// settled.
	leisurely = 8
	settled   = time.Second
	// Of places and bytes one client may have this share, in quarters.
	share, whole = 3, 4
)

// Source is a body as it comes in.
type Source struct {
	// Client is whose it is.
	Client string
	Reader io.Reader
	// Length is how long the body says it is, negative if it does not.
	Length int64
	// Deadline sets until when reads may take, or no end with the zero time. It is called from any goroutine, while
	// reads go on.
	Deadline func(time.Time)
}

// Intake reads bodies. It is safe for concurrent use.
type Intake struct {
	limits atomic.Pointer[Limits]
	now    func() time.Time

	mu      sync.Mutex
	reading map[*Body]struct{}
	readers map[string]int   // of each client that has any
	bytes   map[string]int64 // counted ones, likewise
	total   int64
}

// Body is one that was read, or is being read.
type Body struct {
	Bytes []byte

	intake *Intake
	limits *Limits // as they were when it began to be read
	src    *Source
	start  time.Time
	got    int64
	// counted are the bytes that it holds of Limits.Total.
	counted int64
	// broken says that it made room for another.
	broken bool
}

// New returns an Intake; now is its clock.
func New(l Limits, now func() time.Time) *Intake {
	in := &Intake{now: now, reading: map[*Body]struct{}{}, readers: map[string]int{}, bytes: map[string]int64{}}
	in.SetLimits(l)
	return in
}

// SetLimits has other limits hold for bodies that begin to be read from now on.
func (in *Intake) SetLimits(l Limits) { in.limits.Store(&l) }

// Read reads a body to its end. It fails with *TooLargeError, ErrSlow, ErrCrowded or what the reader says. Release
// gives back what the body holds.
func (in *Intake) Read(src *Source) (*Body, error) {
	limits := in.limits.Load()
	if src.Length > limits.Body {
		return nil, &TooLargeError{limits.Body}
	}
	b := &Body{intake: in, limits: limits, src: src, start: in.now()}
	if err := in.begin(b); err != nil {
		return nil, err
	}
	err := b.read()
	broken := in.end(b, err)
	switch {
	case err == nil:
		return b, nil
	case broken:
		err = ErrCrowded
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrSlow
	}
	b.Release()
	return nil, err
}

// Reading is how many bodies are being read.
func (in *Intake) Reading() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.reading)
}

func (in *Intake) begin(b *Body) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	client := b.src.Client
	most := max(1, b.limits.Readers*share/whole)
	for in.readers[client] >= most || len(in.reading) >= b.limits.Readers {
		if !in.makeRoom(b, in.readers[client] >= most) {
			return ErrCrowded
		}
	}
	in.reading[b] = struct{}{}
	in.readers[client]++
	return nil
}

// end takes b out of those that are read, after which nobody touches its deadline, and says whether it was broken off.
func (in *Intake) end(b *Body, err error) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.forget(b)
	if err == nil && b.broken { // too late: all was there
		b.broken = false
		in.count(b, int64(cap(b.Bytes))-Small)
	}
	if err == nil {
		b.src.Deadline(time.Time{})
	}
	return b.broken
}

func (in *Intake) forget(b *Body) {
	if _, ok := in.reading[b]; !ok {
		return
	}
	delete(in.reading, b)
	if in.readers[b.src.Client]--; in.readers[b.src.Client] == 0 {
		delete(in.readers, b.src.Client)
	}
}

// makeRoom breaks off a slow body other than b, of the client that holds most, and says whether there was any. With
// own, only those of b's client come into question.
func (in *Intake) makeRoom(b *Body, own bool) bool {
	now := in.now()
	var victim *Body
	for other := range in.reading {
		if other == b || own && other.src.Client != b.src.Client || !in.slow(other, now) {
			continue
		}
		if victim == nil || in.before(other, victim, now) {
			victim = other
		}
	}
	if victim == nil {
		return false
	}
	victim.broken = true
	in.forget(victim)
	in.count(victim, -victim.counted)
	victim.src.Deadline(time.Unix(1, 0)) // long ago
	return true
}

func (in *Intake) slow(b *Body, now time.Time) bool {
	age := now.Sub(b.start)
	return age > settled && float64(b.got) < leisurely*float64(b.limits.Rate)*age.Seconds()
}

// before says whether a makes room before b does.
func (in *Intake) before(a, b *Body, now time.Time) bool {
	if x, y := in.readers[a.src.Client], in.readers[b.src.Client]; x != y {
		return x > y
	}
	return float64(a.got)/now.Sub(a.start).Seconds() < float64(b.got)/now.Sub(b.start).Seconds()
}

// count changes what b holds of all bytes by n.
func (in *Intake) count(b *Body, n int64) {
	if n = max(n, -b.counted); n == 0 {
		return
	}
	b.counted += n
	in.total += n
	if in.bytes[b.src.Client] += n; in.bytes[b.src.Client] == 0 {
		delete(in.bytes, b.src.Client)
	}
}

// Hold counts n bytes more to what b holds, such as those of what it refers to. It fails with ErrCrowded. Calling it on
// nil does nothing.
func (b *Body) Hold(n int64) error {
	if b == nil || n <= 0 {
		return nil
	}
	in := b.intake
	in.mu.Lock()
	defer in.mu.Unlock()
	if b.broken {
		return ErrCrowded
	}
	// A single body always fits, however small Total is.
	most := max(b.limits.Total*share/whole, b.limits.Body)
	for in.bytes[b.src.Client]+n > most || in.total+n > max(b.limits.Total, most) {
		if !in.makeRoom(b, in.bytes[b.src.Client]+n > most) {
			return ErrCrowded
		}
	}
	in.count(b, n)
	return nil
}

// Release gives back the bytes that b holds, which must not be used any more. Calling it again, or on nil, does
// nothing.
func (b *Body) Release() {
	if b == nil {
		return
	}
	b.intake.mu.Lock()
	defer b.intake.mu.Unlock()
	b.Bytes = nil
	b.intake.count(b, -b.counted)
}
