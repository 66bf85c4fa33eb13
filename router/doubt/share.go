package doubt

import (
	"math"
	"sync"
)

// Share lets a bounded share of the requests through, in bursts of at most shareBurst. It is safe for concurrent use.
type Share struct {
	share float64

	mu     sync.Mutex
	credit float64
}

const shareBurst = 8

// NewShare returns a Share that lets through the given share of requests, 0 to 1, and the first one unless that is 0.
func NewShare(share float64) *Share { return &Share{share: share, credit: math.Ceil(share)} }

// Count takes note of a request.
func (s *Share) Count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credit = min(s.credit+s.share, shareBurst)
}

// Take reports whether one of the requests counted so far may be let through.
func (s *Share) Take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credit < 1 {
		return false
	}
	s.credit--
	return true
}
