package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/internal/hostile"
	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// crowd are requests that are on their way together.
type crowd struct {
	s       *subject
	ctx     context.Context //nolint:containedctx // of all its requests
	leave   context.CancelCauseFunc
	going   sync.WaitGroup
	members []*traffic.Progress
}

func (s *subject) newCrowd(ctx context.Context) *crowd {
	c := &crowd{s: s}
	c.ctx, c.leave = context.WithCancelCause(ctx)
	return c
}

// ask sends a request and notes what becomes of it.
func (c *crowd) ask(r *traffic.Request) *traffic.Progress {
	p := &traffic.Progress{}
	c.members = append(c.members, p)
	c.going.Go(func() { c.s.ledger.Note(c.s.arena.Client.Ask(c.ctx, r, p)) })
	return p
}

// gone has all clients leave that are still there.
func (c *crowd) gone() {
	c.leave(traffic.ErrLeft)
	c.going.Wait()
}

// wait returns when all requests have ended.
func (c *crowd) wait() {
	c.going.Wait()
	c.leave(nil)
}

// silent is how many have no text yet.
func (c *crowd) silent() int {
	n := 0
	for _, p := range c.members {
		if p.Texts() == 0 {
			n++
		}
	}
	return n
}

// stage is a part of a request's way, and how requests are brought there.
type stage struct {
	name string
	// enter asks for something of each variant and returns when requests are at the stage. Where they were too fast it
	// returns errMissed.
	enter func(s *subject, ctx context.Context, c *crowd, variant string) error
}

// errMissed is a stage that was over before something could be done.
var errMissed = errors.New("the stage was over too soon")

// stages are in the order in which requests come to them.
func stages() []stage {
	return []stage{
		{"waiting", (*subject).enterWaiting},
		{"prefill", (*subject).enterPrefill},
		{"encode", (*subject).enterEncode},
		decoding,
	}
}

// decoding is the stage at which answers are written.
var decoding = stage{"decode", (*subject).enterDecode}

// places are how many requests of a variant decode together.
const places = 8

func (s *subject) next() uint64 {
	s.seed++
	return s.seed
}

// enterWaiting fills a variant's places with long answers and asks for more.
func (s *subject) enterWaiting(ctx context.Context, c *crowd, variant string) error {
	var running []*traffic.Progress
	for range places {
		const tokens = 2500 // enough to do something meanwhile
		running = append(running, c.ask(traffic.Endless(traffic.Of(variant), tokens)))
	}
	err := daemon.Await(ctx, time.Minute, func() bool {
		for _, p := range running {
			if p.Texts() == 0 {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("fill the places: %w", err)
	}
	const more = 4
	for range more {
		c.ask(traffic.Text(traffic.Of(variant), "hello", 8))
	}
	return c.seen(ctx, variant, 0)
}

func (s *subject) enterPrefill(ctx context.Context, c *crowd, variant string) error {
	const requests, words = 4, 1500
	for range requests {
		c.ask(traffic.Prompt(traffic.Of(variant), words, s.next()))
	}
	return c.seen(ctx, variant, someTicks)
}

func (s *subject) enterEncode(ctx context.Context, c *crowd, variant string) error {
	const requests, side = 3, 1600
	for range requests {
		r, err := traffic.Picture(traffic.Of(variant), side, side, s.next())
		if err != nil {
			return err
		}
		c.ask(r)
	}
	return c.seen(ctx, variant, someTicks)
}

func (s *subject) enterDecode(ctx context.Context, c *crowd, variant string) error {
	const requests, tokens = 4, 1000
	for range requests {
		c.ask(traffic.Endless(traffic.Of(variant), tokens))
	}
	if err := daemon.Await(ctx, time.Minute, func() bool { return c.silent() == 0 }); err != nil {
		return fmt.Errorf("wait for text: %w", err)
	}
	return nil
}

// someTicks of processor time, in hundredths of a second, are how long a worker computes before something is done to
// it.
const someTicks = 3

// seen waits a moment, and until the worker has computed for so long, and tells whether some of the requests still wait
// for their first token then.
func (c *crowd) seen(ctx context.Context, variant string, ticks int) error {
	pid := c.s.daemon().Workers()[variant]
	began, before := time.Now(), daemon.Ticks(pid)
	const moment = 100 * time.Millisecond
	err := daemon.Await(ctx, time.Minute, func() bool {
		return c.silent() == 0 || time.Since(began) > moment && daemon.Ticks(pid)-before >= ticks
	})
	if err == nil && c.silent() == 0 {
		err = errMissed
	}
	return err
}

// at brings requests for each variant to a stage, and has act do something there. Missed stages are entered again.
func (s *subject) at(ctx context.Context, place *stage, of []string, act func(c *crowd) error) error {
	const tries = 5
	for range tries {
		c := s.newCrowd(ctx)
		var err error
		for _, variant := range of {
			err = errors.Join(err, place.enter(s, ctx, c, variant))
		}
		if err == nil {
			err = act(c)
		}
		c.wait()
		if !errors.Is(err, errMissed) {
			return err
		}
	}
	return fmt.Errorf("%s: %w", place.name, errMissed)
}

// decodeSlowly asks about pictures that take long to decode and returns when they are being decoded.
func (c *crowd) decodeSlowly(ctx context.Context) error {
	// A few bytes that stand for 49 million pixels.
	const side, requests, busy = 7000, 2, 10
	data := hostile.LosslessWebP(side, side)
	before := map[int]int{}
	for _, pid := range c.s.daemon().Decoders() {
		before[pid] = daemon.Ticks(pid)
	}
	for range requests {
		c.ask(traffic.File(traffic.Of("instruct"), "image/webp", data))
	}
	err := daemon.Await(ctx, time.Minute, func() bool {
		return slices.ContainsFunc(c.s.daemon().Decoders(), func(pid int) bool { return daemon.Ticks(pid)-before[pid] > busy })
	})
	if err != nil {
		return fmt.Errorf("wait for decoders: %w", err)
	}
	return nil
}
