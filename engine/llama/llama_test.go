package llama

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/engine/tokenizer"
)

// modelFile returns a file of the tiny reference checkpoints (testdata/reference/README.md).
func modelFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "reference", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("reference checkpoint: %v", err)
	}
	return path
}

func loadModel(t testing.TB, name string) *Model {
	t.Helper()
	m, err := LoadModel(context.Background(), ModelOptions{Path: modelFile(t, name), Devices: testCards(), GPULayers: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func loadVision(t testing.TB, name string, limit int64) *Vision {
	t.Helper()
	o := VisionOptions{Path: modelFile(t, name), Threads: 2, MemoryLimit: limit}
	if cards := testCards(); cards != nil {
		o.Device = cards[0]
	}
	v, err := LoadVision(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func newContext(t testing.TB, m *Model, o ContextOptions) *Context {
	t.Helper()
	if o.Threads == 0 {
		o.Threads = 2
	}
	c, err := NewContext(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// referenceTokenizer is that of all reference checkpoints.
func referenceTokenizer(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	f, err := gguf.ReadModel(modelFile(t, denseModel))
	if err != nil {
		t.Fatal(err)
	}
	return f.Tokenizer()
}

func tokenize(t testing.TB, pieces ...tokenizer.Piece) []Token {
	t.Helper()
	ids, err := referenceTokenizer(t).Encode(t.Context(), pieces, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func special(t testing.TB, text string) Token {
	t.Helper()
	id, ok := referenceTokenizer(t).SpecialToken(text)
	if !ok {
		t.Fatalf("no token %s", text)
	}
	return id
}

// deepstackKey is the header entry before its value: the key and the type tag of a 32-bit unsigned integer.
const deepstackKey = "qwen3vl.n_deepstack_layers\x04\x00\x00\x00"

// patched returns a copy of a reference file with one run of bytes exchanged for another of the same length.
func patched(t *testing.T, name, old, replacement string) string {
	t.Helper()
	data, err := os.ReadFile(modelFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if len(old) != len(replacement) || bytes.Count(data, []byte(old)) != 1 {
		t.Fatalf("%q does not occur exactly once in %s", old, name)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(name))
	if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(replacement), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	denseModel     = "dense-tied/model.gguf"
	denseProjector = "dense-tied/mmproj.gguf"
)

func TestLoadVisionRefusesALanguageModel(t *testing.T) {
	_, err := LoadVision(context.Background(), VisionOptions{Path: modelFile(t, denseModel), Threads: 1})
	if err == nil || !strings.Contains(err.Error(), "qwen3vl_merger") {
		t.Fatalf("err = %v", err)
	}
}

func TestLoadModelReportsProgressAndEndsWithItsContext(t *testing.T) {
	var last float32
	ctx, cancel := context.WithCancel(context.Background())
	m, err := LoadModel(ctx, ModelOptions{Path: modelFile(t, denseModel), Progress: func(f float32) { last = f }})
	if err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	if last != 1 {
		t.Errorf("last progress %v, want 1", last)
	}
	_, err = LoadModel(ctx, ModelOptions{Path: modelFile(t, denseModel), Progress: func(float32) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v, want context.Canceled", err)
	}
}

func TestCompatibleExplainsMismatches(t *testing.T) {
	m := loadModel(t, denseModel)
	v := loadVision(t, denseProjector, 0)
	if err := v.Compatible(m); err != nil {
		t.Fatalf("matching pair: %v", err)
	}
	for name, tc := range map[string]struct{ model, projector, want string }{
		"projector of another width": {modelFile(t, denseModel), "moe/mmproj.gguf", "wide"},
		"fewer DeepStack layers":     {patched(t, denseModel, deepstackKey+"\x03", deepstackKey+"\x02"), denseProjector, "n_deepstack_layers is 2"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := LoadModel(context.Background(), ModelOptions{Path: tc.model})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			err = loadVision(t, tc.projector, 0).Compatible(m)
			var incompatible *IncompatibleError
			if !errors.As(err, &incompatible) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("err = %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestAnswersEndAtTheEndOfATurn(t *testing.T) {
	m := loadModel(t, denseModel)
	if !m.IsEOG(special(t, "<|im_end|>")) || m.IsEOG(special(t, "</think>")) {
		t.Error("another token ends answers")
	}
}

func TestCloseMayBeCalledTwice(t *testing.T) {
	m := loadModel(t, denseModel)
	c := newContext(t, m, ContextOptions{ContextSize: 256, BatchSize: 32, MaxSequences: 1})
	b := NewTokenBatch(4)
	v := loadVision(t, denseProjector, 0)
	for range 2 {
		for _, closer := range []interface{ Close() error }{b, c, v, m} {
			if err := closer.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Decode(b); !errors.Is(err, ErrClosed) {
		t.Errorf("Decode after Close: %v", err)
	}
	if _, err := v.Plan(1, 64, 64); !errors.Is(err, ErrClosed) {
		t.Errorf("Plan after Close: %v", err)
	}
}

func TestSystemInfoNamesKernelsAndBase(t *testing.T) {
	r := SystemInfo()
	if r.Base != Base || len(r.Devices) == 0 || len(r.Kernels) == 0 {
		t.Errorf("%+v", r)
	}
	if r.Native == (r.Warning != "") {
		t.Errorf("native %v with warning %q", r.Native, r.Warning)
	}
}
