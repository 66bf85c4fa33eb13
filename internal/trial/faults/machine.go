package faults

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/qwenvld/qwenvld/internal/loadtest/processes"
	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// machineFaults leave the daemon little of its machine.
func machineFaults() []fault {
	return []fault{
		{name: "a machine with busy processes", run: overload},
		{name: "more clients than places", run: crush},
	}
}

// overload has other processes take most of the processors' time while clients ask.
func overload(ctx context.Context, s *subject) (err error) {
	const perProcessor, while = 4, 15 * time.Second
	busy, err := processes.StartBusy(ctx, perProcessor*runtime.NumCPU(), s.Binary, "bench", "--spin")
	if err != nil {
		return fmt.Errorf("keep processors busy: %w", err)
	}
	defer func() { err = errors.Join(err, busy.Stop()) }()
	before, err := s.arena.Probe.Vitals(ctx)
	if err != nil {
		return err
	}
	c := s.newCrowd(ctx)
	for _, variant := range daemon.Variants() {
		c.ask(traffic.Prompt(traffic.Of(variant), 1500, s.next()))
		c.ask(traffic.Endless(traffic.Of(variant), 500))
	}
	daemon.Pause(ctx, while)
	c.wait()
	after, err := s.arena.Probe.Vitals(ctx)
	if err == nil && after.Restarts > before.Restarts {
		s.note = "a worker was replaced that was only slow"
	}
	return err
}

// crush asks for four times as much at once as there are places, so that some wait and others are refused.
func crush(ctx context.Context, s *subject) error {
	c := s.newCrowd(ctx)
	const requests = 64
	both := daemon.Variants()
	for i := range requests {
		c.ask(traffic.Endless(traffic.Of(both[i%len(both)]), 300))
	}
	c.wait()
	return nil
}
