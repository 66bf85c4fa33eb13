// Package testkit holds what tests of several packages need and the standard library does not have: waiting for a
// condition that another process or goroutine brings about, a buffer that many goroutines write, JSON without an error
// to check, and a context that ends after a number of looks.
//
// Only tests may import it. It must not know of any other package of the project, and it does not compare values: that
// is go-cmp's.
package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"
)

// patience is for machines that are busy with other things. No test waits for so long unless it fails.
const patience = time.Minute

// Eventually waits until ok returns true, and fails the test, naming what did not come, where that takes longer than
// any machine should need. It is for what gives no sign of having happened, such as the state of another process. Where
// there is a channel to wait for, wait for that.
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	const pause = 2 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late.C:
			tb.Fatalf("%s did not come in %v", what, patience)
		}
	}
}

// JSON is v as JSON. It fails the test where v cannot be written as JSON.
func JSON(tb testing.TB, v any) json.RawMessage {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatalf("%T as JSON: %v", v, err)
	}
	return data
}

// Buffer collects what several goroutines write, such as a log. The zero Buffer is empty and ready to use.
type Buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

// Write appends p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

// String returns what has been written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

// Reset empties the buffer.
func (b *Buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data.Reset()
}

// Countdown is a context that says that it is cancelled after Err has been called Looks times. It is for computations
// that look at their context every so often: they can be ended at any such look. It is for one goroutine.
type Countdown struct {
	context.Context //nolint:containedctx // it is a context
	Looks           int
}

// Err takes one of the looks. When none is left it returns context.Canceled.
func (c *Countdown) Err() error {
	if c.Looks--; c.Looks < 0 {
		return context.Canceled
	}
	return nil
}
