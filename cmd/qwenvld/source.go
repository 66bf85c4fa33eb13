package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/residence"
	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/pull"
	"github.com/qwenvld/qwenvld/router"
)

// source is where the files of a model come from.
type source struct {
	environment *environment
	logger      *slog.Logger
	// key names the model in errors.
	key string
	// model has the names of the files, which need not be here yet.
	model *config.Model
	// parts are what is fetched; none where all files are here.
	parts []pull.Part

	flight singleflight.Group
	mu     sync.Mutex
	// waiting are told how far fetching is.
	waiting []func(float32)
}

// findSources finds out where the files of all configured models are, else those of the demo pair. It tells all faults
// at once.
func findSources(ctx context.Context, e *environment, c *config.Config, logger *slog.Logger) ([]*source, error) {
	if len(c.Models) == 0 {
		demo, err := chooseModel(e, c, logger)
		if err != nil {
			return nil, err
		}
		s, err := findSource(ctx, e, demo, "models[0]", logger)
		return []*source{s}, err
	}
	var out []*source
	var faults []error
	for i := range c.Models {
		s, err := findSource(ctx, e, &c.Models[i], fmt.Sprintf("models[%d]", i), logger)
		out = append(out, s)
		faults = append(faults, err)
	}
	return out, errors.Join(faults...)
}

// findSource finds out where the files of a model are. It asks the hub where it has to, but fetches nothing.
func findSource(ctx context.Context, e *environment, m *config.Model, key string, logger *slog.Logger) (*source, error) {
	s := &source{environment: e, logger: logger, key: key, model: m}
	if m.Pull == "" {
		return s, checkModel(m, key)
	}
	reference, err := hub.Parse(m.Pull)
	if err == nil {
		err = withPuller(e, nil, func(p *pull.Puller) error {
			parts, err := p.AtHand(reference)
			if errors.Is(err, pull.ErrNotAtHand) {
				parts, err = p.Ask(ctx, reference)
				s.parts = parts
			}
			s.model = withWeights(m, parts)
			return err
		})
	}
	if ctx.Err() != nil {
		return s, errInterrupted
	}
	if err != nil {
		return s, fmt.Errorf("%s.pull: %w", key, err)
	}
	if s.isHere() {
		err = checkModel(s.model, key)
	}
	return s, errors.Join(err, checkSources(s.model, key))
}

// fetchAll brings in what is missing of all configured models, for a command that waits for it.
func fetchAll(ctx context.Context, e *environment, c *config.Config, logger *slog.Logger) error {
	sources, err := findSources(ctx, e, c, logger)
	if err != nil || len(c.Models) == 0 {
		return err
	}
	for _, s := range sources {
		if s.isHere() {
			continue
		}
		if err := s.bring(ctx); ctx.Err() != nil {
			return errInterrupted
		} else if err != nil {
			return fmt.Errorf("%s.pull: %w", s.key, err)
		}
	}
	return nil
}

func (s *source) isHere() bool { return len(s.parts) == 0 }

// variants are those that the model has, in a fixed order.
func (s *source) variants() []router.Variant {
	var out []router.Variant
	has := weightsOf(s.model)
	for _, v := range []router.Variant{router.Instruct, router.Thinking} {
		if _, ok := has[v]; ok {
			out = append(out, v)
		}
	}
	return out
}

// fetch brings the files of all variants, checks them and lays them out. Those that ask at the same time share one
// attempt.
func (s *source) fetch(ctx context.Context, p *planner, progress func(float32)) (map[router.Variant]residence.Files, error) {
	s.mu.Lock()
	s.waiting = append(s.waiting, progress)
	s.mu.Unlock()
	files, err, _ := s.flight.Do("", func() (any, error) {
		defer func() {
			s.mu.Lock()
			s.waiting = nil
			s.mu.Unlock()
		}()
		if err := s.bring(ctx); err != nil {
			return nil, fmt.Errorf("%s.pull: %w", s.key, err)
		}
		if err := checkModel(s.model, s.key); err != nil {
			return nil, err
		}
		return p.filesOf(s.model)
	})
	if err != nil {
		return nil, err
	}
	return files.(map[router.Variant]residence.Files), nil
}

// bring fetches what is missing.
func (s *source) bring(ctx context.Context) error {
	shown := newProgress(s.environment, s.logger)
	defer shown.end()
	all := newFraction(s.parts)
	return withPuller(s.environment, func(ev pull.Event) {
		shown.report(ev)
		part := all.after(ev)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, tell := range s.waiting {
			tell(part)
		}
	}, func(puller *pull.Puller) error { return puller.Fetch(ctx, s.parts) })
}

// fraction adds up how much of several files is there.
type fraction struct {
	size int64

	mu   sync.Mutex
	done map[string]int64 // by name
}

// newFraction is about what is missing of parts.
func newFraction(parts []pull.Part) *fraction {
	f := &fraction{done: map[string]int64{}}
	for i := range parts {
		for _, file := range parts[i].Missing() {
			f.size += file.Size
		}
	}
	return f
}

// after is the share that is there after news of a file, 0 to 1.
func (f *fraction) after(ev pull.Event) float32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ev.Size > 0 {
		f.done[fmt.Sprint(ev.File, ev.Size)] = ev.Done
	}
	var done int64
	for _, n := range f.done {
		done += n
	}
	return float32(min(1, float64(done)/float64(max(f.size, 1))))
}
