package worker

import (
	"net/http"
	"sync"
)

// handlers are the requests being answered. http.Server.Close does not wait for them, and they use the weights.
type handlers struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// track lets next answer requests until wait is called.
func (h *handlers) track(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.enter() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer h.running.Done()
		next.ServeHTTP(w, r)
	})
}

func (h *handlers) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running.Add(1)
	return true
}

// wait lets nobody in any more and returns when all have left.
func (h *handlers) wait() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.running.Wait()
}
