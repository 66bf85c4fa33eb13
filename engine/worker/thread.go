package worker

import (
	"runtime"
	"sync"
)

// thread runs functions on one OS thread. OpenMP keeps a pool of helpers for every thread that ever computed; calls
// from wherever Go's scheduler happens to be would leave a trail of pools.
type thread struct {
	work  chan func()
	ended sync.WaitGroup
}

func newThread() *thread {
	t := &thread{work: make(chan func())}
	t.ended.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range t.work {
			f()
		}
	})
	return t
}

// do runs f on the thread and waits for it.
func (t *thread) do(f func()) {
	done := make(chan struct{})
	t.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// close waits for what is running; do must not be called any more.
func (t *thread) close() {
	close(t.work)
	t.ended.Wait()
}
