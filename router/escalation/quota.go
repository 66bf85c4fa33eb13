package escalation

import (
	"math"
	"sync"
)

// Quota lets a share of the requests through. It is a token bucket that requests fill, instead of time: each request
// adds the share, and whoever is let through takes 1. It is safe for concurrent use.
type Quota struct {
	share float64

	mu     sync.Mutex
	credit float64
}

// quotaBurst is the most that the bucket holds, and so the most requests that are let through in a row.
const quotaBurst = 8

// NewQuota returns a Quota that lets through the given share of requests, 0 to 1, and the first one unless the share is
// 0.
func NewQuota(share float64) *Quota { return &Quota{share: share, credit: math.Ceil(share)} }

// Accrue adds to the quota what one more request is worth.
func (q *Quota) Accrue() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.credit = min(q.credit+q.share, quotaBurst)
}

// Take spends the quota on one request. It returns false where too little has accrued; then it spends nothing.
func (q *Quota) Take() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.credit < 1 {
		return false
	}
	q.credit--
	return true
}
