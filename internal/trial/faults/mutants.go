package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/engine/process"
	"github.com/qwenvld/qwenvld/internal/damage"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// mutantFaults load damaged weights.
func mutantFaults() []fault {
	return []fault{{name: "damaged GGUF files", apart: true, run: tryMutants}}
}

// tryMutants gives damaged files to workers of the binary, each in a process of its own that is bounded in memory and
// time. A file has to be refused by its name, or to load and answer.
func tryMutants(ctx context.Context, s *subject) error {
	type job struct {
		name  string
		d     damage.Damage
		data  []byte
		files map[string]string
	}
	jobs := make(chan job)
	const side = 2 // processes at a time
	var trying sync.WaitGroup
	for range side {
		trying.Go(func() {
			for j := range jobs {
				out := s.tryMutant(ctx, j.files, j.files[j.name], j.d.Copy(j.data))
				if out.Outcome == traffic.Lost {
					out.Reason = fmt.Sprintf("%s with %s: %s", j.name, j.d.Name, out.Reason)
				}
				s.ledger.Note(out)
			}
		})
	}
	err := func() error {
		for name, n := range map[string]int{"instruct": s.Mutants * 2 / 3, "projector": s.Mutants - s.Mutants*2/3} {
			data, err := os.ReadFile(filepath.Join(s.Weights, name+".gguf")) //nolint:gosec // whoever runs the trial names the folder
			if err != nil {
				return fmt.Errorf("read weights: %w", err)
			}
			const seed = 16
			for i, d := range damage.Of(data, n, seed) {
				files := map[string]string{}
				for _, good := range []string{"instruct", "projector"} {
					files[good] = filepath.Join(s.Weights, good+".gguf")
				}
				files[name] = filepath.Join(s.dir, fmt.Sprintf("%s-%d.gguf", name, i))
				select {
				case jobs <- job{name, d, data, files}:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
		return nil
	}()
	close(jobs)
	trying.Wait()
	return err
}

// tryMutant writes the damaged file and has it loaded as the daemon does.
func (s *subject) tryMutant(ctx context.Context, files map[string]string, damaged string, data []byte) traffic.Result {
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		return traffic.Result{Outcome: traffic.Lost, Reason: err.Error()}
	}
	defer func() { _ = os.Remove(damaged) }()
	err := gguf.CheckPair(files["instruct"], files["projector"])
	if err == nil {
		const patience = 40 * time.Second
		limited, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no end after %v", patience))
		defer cancel()
		err = s.answerOnce(limited, files["instruct"], files["projector"])
	}
	switch {
	case err == nil:
		return traffic.Result{Outcome: traffic.Answered}
	case strings.Contains(err.Error(), filepath.Base(damaged)):
		return traffic.Result{Outcome: traffic.Refused, Reason: err.Error()}
	}
	return traffic.Result{Outcome: traffic.Lost, Reason: err.Error()}
}

// answerOnce starts a worker, asks it about a picture, and ends it.
func (s *subject) answerOnce(ctx context.Context, model, projector string) error {
	config, err := json.Marshal(map[string]any{
		"model": model, "projector": projector, "context_size": 256, "max_sequences": 2, "threads": 1,
	})
	if err != nil {
		return fmt.Errorf("configure a worker: %w", err)
	}
	// 8 GiB of address space are many times of what such a worker takes.
	w := process.New(process.Options{MaxStarts: 1, Command: process.Command{
		Path: "/bin/sh", Args: []string{"-c", `ulimit -v 8388608; exec "$0" worker`, s.Binary}, Env: s.Environ, Config: config,
	}})
	running, stop := context.WithCancel(ctx)
	var worker sync.WaitGroup
	worker.Go(func() { _ = w.Run(running) }) // that it gives up is told by Wait
	defer worker.Wait()
	defer stop()
	if err := w.Wait(ctx); err != nil {
		return err
	}
	return readAnswer(ctx, w)
}

// readAnswer asks for a few tokens about a picture.
func readAnswer(ctx context.Context, e engine.Engine) error {
	const side = 96
	stream, err := e.Generate(ctx, &engine.Request{
		ID: "trial", MaxTokens: 4,
		Prompt: []engine.Piece{
			{Kind: engine.PieceControl, Text: "<|im_start|>user\n<|vision_start|>"},
			{Kind: engine.PieceImage},
			{Kind: engine.PieceControl, Text: "<|vision_end|>"},
			{Kind: engine.PieceText, Text: "What is it?"},
			{Kind: engine.PieceControl, Text: "<|im_end|>\n<|im_start|>assistant\n"},
		},
		Images: []engine.Image{{Width: side, Height: side, RGB: make([]byte, 3*side*side)}},
	})
	if err != nil {
		return fmt.Errorf("ask the worker: %w", err)
	}
	defer func() { _ = stream.Close() }()
	for {
		if _, err := stream.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the worker's answer: %w", err)
		}
	}
}
