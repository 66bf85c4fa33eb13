package traffic

import (
	"context"
	"sync"
	"time"
)

// Load is a number of clients that ask one request after the other.
type Load struct {
	Client *Client
	Ledger *Ledger
	// Clients is how many ask at a time.
	Clients int
	// Next is the request number n of all.
	Next func(n int) *Request
	// Pause passes between two requests of a client, four times as much after a refusal.
	Pause time.Duration
	// LeaveAfter is when a client leaves that has no answer yet; 0 is never.
	LeaveAfter time.Duration
}

// Start has the clients ask until stop is called, which returns when their last requests have ended.
func (l *Load) Start(ctx context.Context) (stop func()) {
	asking, end := context.WithCancel(ctx)
	var clients sync.WaitGroup
	numbers := make(chan int)
	clients.Go(func() {
		defer close(numbers)
		for n := 0; ; n++ {
			select {
			case numbers <- n:
			case <-asking.Done():
				return
			}
		}
	})
	for range l.Clients {
		clients.Go(func() {
			for n := range numbers {
				pause := l.Pause
				out := l.ask(ctx, n)
				l.Ledger.Note(out)
				if out.Outcome == Refused {
					pause *= 4
				}
				rest(asking, pause)
			}
		})
	}
	return func() {
		end()
		clients.Wait()
	}
}

// ask sends a request, and leaves when it is time.
func (l *Load) ask(ctx context.Context, n int) Result {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	if l.LeaveAfter > 0 {
		timer := time.AfterFunc(l.LeaveAfter, func() { leave(ErrLeft) })
		defer timer.Stop()
	}
	return l.Client.Ask(ctx, l.Next(n), nil)
}

// rest waits for d, or until ctx is done.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
