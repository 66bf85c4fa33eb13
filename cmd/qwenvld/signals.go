package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hurryKey is the context's key for the channel that a second signal closes.
type hurryKey struct{}

// withSignals gives a context that the first SIGINT or SIGTERM ends. The second closes the channel that hurryOf
// returns. A third ends the process, as it ends one that does not listen to signals. stop has the process no longer
// listen to them.
func withSignals(parent context.Context) (ctx context.Context, stop func()) {
	hurry := make(chan struct{})
	ctx, cancel := context.WithCancel(context.WithValue(parent, hurryKey{}, (<-chan struct{})(hurry)))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	over := make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		defer signal.Stop(signals)
		for _, act := range []func(){cancel, func() { close(hurry) }} {
			select {
			case <-signals:
				act()
			case <-over:
				return
			}
		}
	})
	return ctx, func() {
		close(over)
		listening.Wait()
		cancel()
	}
}

// hurryOf is the channel that a second signal closes.
func hurryOf(ctx context.Context) <-chan struct{} {
	hurry, _ := ctx.Value(hurryKey{}).(<-chan struct{})
	return hurry
}

// untilHurried is a context that ends when hurry is closed, or with cancel, which must be called.
func untilHurried(parent context.Context, hurry <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-hurry:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		waiting.Wait()
	}
}

// hangups tells of SIGHUP until stop is called. A terminal sends it, too, when it is closed, which must not end a
// daemon.
func hangups() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}
