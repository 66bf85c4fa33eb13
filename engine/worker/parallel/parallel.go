// Package parallel spreads the parts of a short job over a few goroutines that are kept for it, so that a job that
// takes less than a millisecond gains from more than one core.
//
// It must not queue jobs or know what they are: one caller at a time has one job done, and takes part in it.
package parallel

import (
	"sync"
	"sync/atomic"
)

// Pool is goroutines that help with jobs. One goroutine uses it.
type Pool struct {
	helpers int
	jobs    chan *job
	done    chan struct{} // capacity 1: a helper has finished the last part of a job
	running sync.WaitGroup
}

// job is parts that are taken one by one by whoever is free.
type job struct {
	part  func(i int)
	parts int
	next  atomic.Int64
	left  atomic.Int64 // parts that are not finished
}

// New returns a Pool of so many goroutines, the caller's own included. Close ends them.
func New(goroutines int) *Pool {
	p := &Pool{helpers: max(0, goroutines-1), done: make(chan struct{}, 1)}
	p.jobs = make(chan *job, p.helpers)
	for range p.helpers {
		p.running.Go(func() {
			for j := range p.jobs {
				if j.work() {
					p.done <- struct{}{}
				}
			}
		})
	}
	return p
}

// Each calls part with each number from 0 on below parts, several at once, and returns when all calls have.
func (p *Pool) Each(parts int, part func(i int)) {
	if parts <= 1 || p.helpers == 0 {
		for i := range parts {
			part(i)
		}
		return
	}
	j := &job{part: part, parts: parts}
	j.left.Store(int64(parts))
	for range min(p.helpers, parts-1) {
		select {
		case p.jobs <- j:
		default: // helpers have not come round to earlier jobs, which went without them
		}
	}
	if !j.work() {
		<-p.done
	}
}

// work does parts until none is left to begin, and reports whether it finished the last one. A helper that comes late
// finds nothing to do, and nobody waits for it.
func (j *job) work() (last bool) {
	for {
		i := int(j.next.Add(1) - 1)
		if i >= j.parts {
			return last
		}
		j.part(i)
		last = j.left.Add(-1) == 0
	}
}

// Close waits for the goroutines to end. Each must not be called any more.
func (p *Pool) Close() {
	close(p.jobs)
	p.running.Wait()
}
