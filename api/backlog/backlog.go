// Package backlog predicts for how long the requests that are there keep a set of weights busy, and refuses one more
// where that is too long, or where its answer cannot begin in time, before anything of it is fetched or computed.
//
// It learns from requests that are over what texts, pictures, videos and answers cost. It must not know what is in
// them, and neither waits nor computes.
package backlog

import (
	"fmt"
	"sync"
	"time"
)

// Work is what a request consists of, as far as it is known.
type Work struct {
	// Text and Answer are tokens, Images and Videos numbers. Before the answer is there, Answer bounds it, 0 meaning
	// that nothing does.
	Text, Images, Videos, Answer float64
	// ImageTokens are those of so many of the images as Sized says. Others are taken to be as large as images were.
	ImageTokens, Sized float64
	// Cached is which part of the prompt, 0 to 1, did not have to be computed.
	Cached float64
}

// FullError refuses a request.
type FullError struct {
	// Wait is how long the requests that are there will take, RetryIn how long it takes until this one would do.
	Wait, RetryIn time.Duration
}

func (e *FullError) Error() string {
	return fmt.Sprintf("the requests before it take about %v", e.Wait.Round(time.Second))
}

// Backlog is the work of one set of weights. It is safe for concurrent use.
//
// Weights are taken to work as package engine/worker/schedule has them: on all requests side by side, on prompts before
// answers, and on a short prompt before a long one that has not waited for long.
type Backlog struct {
	now func() time.Time

	mu    sync.Mutex
	items map[*Item]struct{}
	// clock is how much time each of the requests that are worked on has had, if they share it equally: all together
	// they have had as much as has passed. It was right at a time when so many were worked on.
	clock   time.Duration
	at      time.Time
	working int
	costs   costs
	delay   delay
}

// Bounds are what a request may have to wait for.
type Bounds struct {
	// Most is how long the requests together may take, 0 for ever.
	Most time.Duration
	// First is how soon the first token must come, 0 where nobody says.
	First time.Duration
	// Slots are how many requests the weights work on side by side, 0 for any number.
	Slots int
}

// Item is a request.
type Item struct {
	backlog *Backlog
	client  string
	slots   int
	entered time.Time
	// takes and prompt are what all of it and its prompt were predicted to take.
	takes, prompt time.Duration
	working       bool
	answering     bool          // its first token has come
	since         time.Duration // of the clock
	begun         time.Time
	first         time.Duration // what its first token was predicted to take, from begun on
}

// New returns a Backlog without requests.
func New(now func() time.Time) *Backlog {
	return &Backlog{now: now, items: map[*Item]struct{}{}, at: now()}
}

// Enter takes in a request of a client, which is told when it is worked on and when it is over. It fails with a
// *FullError where the requests together would take longer than they may, unless none are there, or its client has less
// than its share of that; and with a *LateError where its first token would come too late, unless none are there. As
// long as nothing is known of what requests cost, none is refused.
func (b *Backlog) Enter(client string, w Work, bounds Bounds) (*Item, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tick()
	it := &Item{
		backlog: b, client: client, slots: bounds.Slots, entered: b.at, takes: b.costs.takes(w), prompt: b.costs.prompt(w),
	}
	if err := b.full(it, bounds.Most); err != nil {
		return nil, err
	}
	if err := b.late(it, bounds.First); err != nil {
		return nil, err
	}
	b.items[it] = struct{}{}
	return it, nil
}

// full refuses a request with which the others would take too long.
func (b *Backlog) full(it *Item, most time.Duration) error {
	if most <= 0 {
		return nil
	}
	total, own := time.Duration(0), time.Duration(0)
	clients := map[string]bool{it.client: true}
	for o := range b.items {
		left := b.left(o)
		total += left
		clients[o.client] = true
		if o.client == it.client {
			own += left
		}
	}
	share := most / time.Duration(len(clients))
	if total > 0 && total+it.takes > most && own+it.takes > share {
		// Either has to hold. The second is reached later, as the work of others goes on beside.
		return &FullError{Wait: total, RetryIn: min(total, total+it.takes-most)}
	}
	return nil
}

// left is how long a request that is there still takes. One that takes longer than was predicted will take a little
// longer still.
func (b *Backlog) left(it *Item) time.Duration {
	const atLeast = 10 // parts of which one is left
	if !it.working {
		return it.takes
	}
	return max(it.takes-(b.clock-it.since), it.takes/atLeast)
}

// tick brings the clock to now.
func (b *Backlog) tick() {
	now := b.now()
	if b.working > 0 {
		b.clock += now.Sub(b.at) / time.Duration(b.working)
	}
	b.at = now
}

// Begin says that the request is worked on. Calling it on nil does nothing.
func (it *Item) Begin() {
	if it == nil {
		return
	}
	b := it.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.items[it]; !there || it.working {
		return
	}
	b.tick()
	it.first = b.before(it) + it.prompt
	it.working, it.since, it.begun = true, b.clock, b.at
	b.working++
}

// End says that the request is over. did is what it consisted of, nil where that is not known or it was broken off.
// Calling it again, or on nil, does nothing.
func (it *Item) End(did *Work) {
	if it == nil {
		return
	}
	b := it.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.items[it]; !there {
		return
	}
	b.tick()
	delete(b.items, it)
	if !it.working {
		return
	}
	b.working--
	if did != nil {
		b.costs.learn(*did, b.clock-it.since)
	}
}

// Wait is how long the requests that are there still take.
func (b *Backlog) Wait() (total time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tick()
	for it := range b.items {
		total += b.left(it)
	}
	return total
}
