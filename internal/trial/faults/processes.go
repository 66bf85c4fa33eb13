package faults

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// processFaults kill and stop the daemon's processes.
func processFaults() []fault {
	var out []fault
	add := func(name string, run func(ctx context.Context, s *subject) error) {
		out = append(out, fault{name: name, run: run})
	}
	for _, at := range stages() {
		for _, variant := range daemon.Variants() {
			add(fmt.Sprintf("kill -9 of the %s worker: %s", variant, at.name), func(ctx context.Context, s *subject) error {
				return s.at(ctx, &at, []string{variant}, func(*crowd) error { return s.signalWorkers(syscall.SIGKILL, variant) })
			})
		}
	}
	for _, variant := range daemon.Variants() {
		add(fmt.Sprintf("kill -9 of the %s worker: between requests", variant), func(ctx context.Context, s *subject) error {
			return s.between(ctx, variant, func() error { return s.signalWorkers(syscall.SIGKILL, variant) })
		})
	}
	for _, at := range stages() {
		add("SIGSTOP of both workers: "+at.name, func(ctx context.Context, s *subject) error {
			return s.at(ctx, &at, daemon.Variants(), func(c *crowd) error {
				if err := s.signalWorkers(syscall.SIGSTOP, daemon.Variants()...); err != nil {
					return err
				}
				c.wait() // until the daemon has replaced them
				return nil
			})
		})
	}
	add("SIGSTOP of both workers: between requests", func(ctx context.Context, s *subject) error {
		return s.between(ctx, "instruct", func() error { return s.signalWorkers(syscall.SIGSTOP, daemon.Variants()...) })
	})
	add("SIGSTOP of both workers for 4 s: decode", func(ctx context.Context, s *subject) error {
		return s.at(ctx, &decoding, daemon.Variants(), func(*crowd) error { return s.pauseWorkers(ctx) })
	})
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		name := map[syscall.Signal]string{syscall.SIGKILL: "kill -9", syscall.SIGSTOP: "SIGSTOP"}[sig]
		add(name+" of the decoders: while they decode", func(ctx context.Context, s *subject) error { return s.whileDecoding(ctx, sig) })
		add(name+" of the decoders: between pictures", func(ctx context.Context, s *subject) error { return s.betweenPictures(ctx, sig) })
	}
	return out
}

// signalWorkers sends s to the workers of variants, of which each has to be there.
func (s *subject) signalWorkers(sig syscall.Signal, of ...string) error {
	workers := s.daemon().Workers()
	for _, variant := range of {
		pid := workers[variant]
		if pid == 0 {
			return fmt.Errorf("there is no worker of %s", variant)
		}
		if err := syscall.Kill(pid, sig); err != nil {
			return fmt.Errorf("signal the worker of %s: %w", variant, err)
		}
	}
	return nil
}

// pauseWorkers stops both workers for less time than the daemon waits for them, so that no answer is lost.
func (s *subject) pauseWorkers(ctx context.Context) error {
	before := s.daemon().Workers()
	if err := s.signalWorkers(syscall.SIGSTOP, daemon.Variants()...); err != nil {
		return err
	}
	const short = 4 * time.Second
	daemon.Pause(ctx, short)
	if err := s.signalWorkers(syscall.SIGCONT, daemon.Variants()...); err != nil {
		return err
	}
	for variant, pid := range before {
		if s.daemon().Workers()[variant] != pid {
			s.note = "a worker was replaced that had only paused"
		}
	}
	return nil
}

// between acts on workers that have nothing to do, and asks at once.
func (s *subject) between(ctx context.Context, variant string, act func() error) error {
	if err := act(); err != nil {
		return err
	}
	c := s.newCrowd(ctx)
	const requests = 4
	for range requests {
		c.ask(traffic.Text(traffic.Of(variant), "hello", 8))
	}
	c.wait()
	return nil
}

// whileDecoding signals the processes that decode pictures which take them long.
func (s *subject) whileDecoding(ctx context.Context, sig syscall.Signal) error {
	c := s.newCrowd(ctx)
	defer c.wait()
	if err := c.decodeSlowly(ctx); err != nil {
		return err
	}
	return s.signalDecoders(sig)
}

func (s *subject) betweenPictures(ctx context.Context, sig syscall.Signal) error {
	if err := s.signalDecoders(sig); err != nil {
		return err
	}
	c := s.newCrowd(ctx)
	defer c.wait()
	const requests = 4
	for i := range requests {
		c.ask(traffic.Image(traffic.Of("instruct"), s.arena.Pictures[i]))
	}
	return nil
}

func (s *subject) signalDecoders(sig syscall.Signal) error {
	pids := s.daemon().Decoders()
	if len(pids) == 0 {
		return fmt.Errorf("there are no decoders: %w", errMissed)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && daemon.Alive(pid) {
			return fmt.Errorf("signal a decoder: %w", err)
		}
	}
	return nil
}
