// Package selftest proves on any machine that a device computes Qwen3-VL as transformers does: text, pictures and
// videos, with an output of its own and with one tied to the embedding, and with a mixture of experts. What
// transformers computes is part of the program.
//
// It must not serve, download, or judge anything but numbers; and its references must not be made by what they test.
package selftest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/engine/llama"
)

// Options say what is tested.
type Options struct {
	// Device is ggml's name of a card that llama.OpenDevices has found; empty is the processors.
	Device  string
	Threads int
	// Folder takes files of a few megabytes meanwhile.
	Folder string
	Logger *slog.Logger
}

// Report is what was found.
type Report struct {
	Device  string  `json:"device"`
	Base    string  `json:"llama_cpp"`
	Passed  bool    `json:"passed"`
	Seconds float64 `json:"seconds"`
	Checks  []Check `json:"checks"`
}

// Check is one comparison.
type Check struct {
	// Weights are the reference's name, Format how they were stored, Name what was computed.
	Weights string `json:"weights"`
	Format  Format `json:"format"`
	Name    string `json:"name"`
	// Deviation is the largest of any row, relative to the row's largest magnitude, and Limit what it may be. With
	// Fault set, something was done wrong on purpose, and Limit is what it must be at least.
	Deviation float64 `json:"deviation"`
	Limit     float64 `json:"limit"`
	Fault     bool    `json:"fault,omitempty"`
	Passed    bool    `json:"passed"`
	Note      string  `json:"note,omitempty"`
}

func (c *Check) judge() {
	c.Passed = c.Note == "" && c.Deviation <= c.Limit
	if c.Fault {
		c.Passed = c.Deviation >= c.Limit
	}
}

// formats are those that each reference is computed in; in the first, faults are made on purpose too.
var formats = map[string][]Format{"tied": {Float32, Float16}, "untied": {Float32, Q4}, "moe": {Float32, Q8}}

// limit is how far rows of pictures and logits may be off. Kernels round activations as the weights are rounded: to
// half precision, or to 8 bits. Those of cards may take float32 in a shorter form. device is ggml's name of it, empty
// for the processors.
func limit(f Format, device string) (rows, logits float64) {
	card := device != ""
	switch {
	case f == Float32 && !card:
		return 1e-4, 1e-3
	case f == Float32, f == Float16 && !card:
		return 2e-3, 5e-3
	case f == Float16:
		return 4e-3, 1e-2
	case f == Q4 && strings.HasPrefix(device, "CUDA"):
		return eightBits, unroundedSums
	default:
		return eightBits, fewRows
	}
}

// Limits where activations have 8 bits.
const (
	eightBits = 4e-2 // of rows of pictures
	fewRows   = 6e-2 // of logits
	// CUDA's kernel for more than few rows takes the minimum of a block of q4_K times the sum of the activations before
	// they are rounded, and what the block has above its minimum times the rounded ones. So the error of each
	// activation counts as often as its weight is above the minimum, not as often as its weight: three times as much
	// with the weights of the references. Emulated with them, the worst of five rows is 0.10 off, and 0.18 at most.
	unroundedSums = 2e-1
)

// Run compares. It returns an error only where something could not be computed at all.
func Run(ctx context.Context, o Options) (*Report, error) {
	begun := time.Now()
	r := &Report{Device: o.Device, Base: llama.Base, Passed: true}
	if r.Device == "" {
		r.Device = "CPU"
	}
	rotations, err := rotation(r.Device, o.Device != "")
	if err != nil {
		return nil, err
	}
	r.Checks = append(r.Checks, rotations...)
	for _, name := range names() {
		ref, err := readReference(name)
		if err != nil {
			return nil, err
		}
		for i, f := range formats[name] {
			checks, err := o.run(ctx, ref, f, i == 0)
			if err != nil {
				return nil, fmt.Errorf("%s in %s: %w", name, f, err)
			}
			r.Checks = append(r.Checks, checks...)
		}
	}
	for i := range r.Checks {
		r.Checks[i].judge()
		r.Passed = r.Passed && r.Checks[i].Passed
	}
	r.Seconds = time.Since(begun).Seconds()
	return r, nil
}

// run computes all prompts of a reference in one format.
func (o *Options) run(ctx context.Context, ref *reference, f Format, faults bool) ([]Check, error) {
	s, err := o.load(ctx, ref, f)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var out []Check
	for i := range ref.Cases {
		checks, err := s.check(ctx, &ref.Cases[i], faults)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ref.Cases[i].Name, err)
		}
		out = append(out, checks...)
	}
	return out, nil
}

// load writes the files, and loads them onto the device.
func (o *Options) load(ctx context.Context, ref *reference, f Format) (_ *subject, err error) {
	folder, err := os.MkdirTemp(o.Folder, "qwenvld-selftest-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is loaded needs the files no more, or has them open
	model, projector := filepath.Join(folder, "model.gguf"), filepath.Join(folder, "mmproj.gguf")
	if err := ref.write(model, &ref.Files.Model, f); err != nil {
		return nil, err
	}
	if err := ref.write(projector, &ref.Files.Projector, f); err != nil {
		return nil, err
	}
	s := &subject{reference: ref, format: f, device: o.Device}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	options := llama.ModelOptions{Path: model, Logger: o.Logger}
	if s.device != "" {
		options.Devices, options.GPULayers = []string{o.Device}, -1
	}
	if s.model, err = llama.LoadModel(ctx, options); err != nil {
		return nil, err
	}
	s.vision, err = llama.LoadVision(ctx, llama.VisionOptions{Path: projector, Threads: o.Threads, Device: o.Device, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	sizes := llama.ContextOptions{ContextSize: 2048, BatchSize: 512, MaxSequences: 1, Threads: o.Threads}
	if f == Float32 {
		sizes.KV = llama.KVFloat32
	}
	s.context, err = llama.NewContext(s.model, sizes)
	return s, err
}
