package history

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Memory is a Store that lasts as long as the process.
type Memory struct {
	maxBytes int64 // of what is kept, 0 for no bound

	mu     sync.Mutex
	byID   map[string]*entry
	oldest []*entry // the same, in the order in which they go
	bytes  int64
	puts   uint64
}

var _ Store = (*Memory)(nil)

// entry is a kept response. The bytes of its response are never changed, so they can be read without the lock.
type entry struct {
	response Response // without its events
	events   []byte   // packed
	number   uint64   // of the Put that it came with
}

// entryOverhead is about what an entry takes beside its bytes.
const entryOverhead = 512

func (e *entry) bytes() int64 {
	r := &e.response
	return int64(entryOverhead + len(r.ID) + len(r.Previous) + len(r.Owner) + len(r.Input) + len(r.Body) + len(e.events))
}

// byAge orders entries as they go: by the time at which they were created, then as they were put.
func byAge(a, b *entry) int {
	return cmp.Or(a.response.Created.Compare(b.response.Created), cmp.Compare(a.number, b.number))
}

// NewMemory returns an empty store of at most maxBytes; 0 is no bound.
func NewMemory(maxBytes int64) *Memory {
	return &Memory{maxBytes: maxBytes, byID: map[string]*entry{}}
}

// Put implements Store.
func (m *Memory) Put(ctx context.Context, r *Response) error {
	if err := ended(ctx, "keep a response"); err != nil {
		return err
	}
	events, err := Pack(r, m.maxBytes)
	if err != nil {
		return err
	}
	e := &entry{response: *r, events: events}
	e.response.Created = time.Unix(r.Created.Unix(), 0)
	e.response.Input, e.response.Body, e.response.Events = bytes.Clone(r.Input), bytes.Clone(r.Body), nil
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	e.number = m.puts
	return m.replaceLocked(m.byID[r.ID], e)
}

// Update implements Store.
func (m *Memory) Update(ctx context.Context, r *Response) error {
	if err := ended(ctx, "keep a response"); err != nil {
		return err
	}
	events, err := Pack(r, m.maxBytes)
	if err != nil {
		return err
	}
	body := bytes.Clone(r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	old, err := m.findLocked(r.Owner, r.ID)
	if err != nil {
		return err
	}
	e := &entry{response: old.response, events: events, number: old.number}
	e.response.Body = body
	return m.replaceLocked(old, e)
}

// replaceLocked puts e in the place of old, which may be nil, and makes room for it.
func (m *Memory) replaceLocked(old, e *entry) error {
	if n := e.bytes(); m.maxBytes > 0 && n > m.maxBytes {
		return fmt.Errorf("keep a response of %d bytes: %w", n, ErrTooLarge)
	}
	if old != nil {
		m.removeLocked(old)
	}
	m.byID[e.response.ID] = e
	at, _ := slices.BinarySearchFunc(m.oldest, e, byAge)
	m.oldest = slices.Insert(m.oldest, at, e)
	m.bytes += e.bytes()
	for m.maxBytes > 0 && m.bytes > m.maxBytes {
		first := m.oldest[0]
		if first == e {
			first = m.oldest[1] // there is one, since e alone is not too much
		}
		m.removeLocked(first)
	}
	return nil
}

func (m *Memory) removeLocked(e *entry) {
	at, _ := slices.BinarySearchFunc(m.oldest, e, byAge)
	m.oldest = slices.Delete(m.oldest, at, at+1)
	delete(m.byID, e.response.ID)
	m.bytes -= e.bytes()
}

func (m *Memory) findLocked(owner, id string) (*entry, error) {
	if e, ok := m.byID[id]; ok && e.response.Owner == owner {
		return e, nil
	}
	return nil, ErrNotFound
}

func (m *Memory) find(ctx context.Context, owner, id string) (*entry, error) {
	if err := ended(ctx, "read a kept response"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.findLocked(owner, id)
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, owner, id string) (*Response, error) {
	e, err := m.find(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	r := e.response
	if r.Events, err = Unpack(e.events); err != nil {
		return nil, fmt.Errorf("read a kept response: %w", err)
	}
	return &r, nil
}

// GetBounded implements Store.
func (m *Memory) GetBounded(ctx context.Context, owner, id string, maxBytes int64) (*Response, error) {
	e, err := m.find(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	r := e.response
	if int64(len(r.Input))+int64(len(r.Body)) > maxBytes {
		return nil, fmt.Errorf("read a kept response: %w", ErrTooLarge)
	}
	return &r, nil
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, owner, id string) error {
	if err := ended(ctx, "forget a response"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.findLocked(owner, id)
	if err != nil {
		return err
	}
	m.removeLocked(e)
	return nil
}

// Expire forgets what was created before t and says how much that was.
func (m *Memory) Expire(ctx context.Context, t time.Time) (n int64, err error) {
	if err := ended(ctx, "forget old responses"); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	first := slices.IndexFunc(m.oldest, func(e *entry) bool { return e.response.Created.Unix() >= t.Unix() })
	if first < 0 {
		first = len(m.oldest)
	}
	for _, e := range m.oldest[:first] {
		delete(m.byID, e.response.ID)
		m.bytes -= e.bytes()
	}
	m.oldest = slices.Delete(m.oldest, 0, first)
	return int64(first), nil
}

// Watch implements Health: memory can always be used, so there is nothing to tell.
func (m *Memory) Watch(func(error)) {}

// Trouble implements Health: there is never any.
func (m *Memory) Trouble() error { return nil }

// Close forgets everything.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byID, m.oldest, m.bytes = map[string]*entry{}, nil, 0
	return nil
}

// ended is the cause of the end of ctx, nil if that goes on.
func ended(ctx context.Context, operation string) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", operation, context.Cause(ctx))
}
