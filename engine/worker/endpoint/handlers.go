package endpoint

import "sync"

// handlers counts the requests that are being answered.
type handlers struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// enter reports whether another request may be answered; then leave must be called.
func (h *handlers) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running.Add(1)
	return true
}

func (h *handlers) leave() { h.running.Done() }

// wait lets nobody in any more and returns when all have left.
func (h *handlers) wait() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.running.Wait()
}
