package parallel

import (
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachPartIsDoneOnce(t *testing.T) {
	for _, goroutines := range []int{0, 1, 2, 7} {
		p := New(goroutines)
		for parts := range 40 {
			done := make([]int, parts)
			p.Each(parts, func(i int) { done[i]++ })
			for i, n := range done {
				if n != 1 {
					t.Errorf("%d goroutines did part %d of %d %d times", goroutines, i, parts, n)
				}
			}
		}
		p.Close()
	}
}

// Parts that wait for each other end only if they run at the same time.
func TestPartsRunAtOnce(t *testing.T) {
	const goroutines = 4
	p := New(goroutines)
	defer p.Close()
	var begun atomic.Int64
	all := make(chan struct{})
	p.Each(goroutines, func(int) {
		if begun.Add(1) == goroutines {
			close(all)
		}
		<-all
	})
}

// A job does not wait for helpers that are still at an earlier one's end.
func TestTheCallerAloneIsEnough(t *testing.T) {
	p := &Pool{helpers: 3, jobs: make(chan *job, 3), done: make(chan struct{}, 1)} // nobody reads jobs
	for range 5 {
		n := 0
		p.Each(10, func(int) { n++ })
		if n != 10 {
			t.Errorf("%d parts were done", n)
		}
	}
}
