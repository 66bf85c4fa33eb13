package llama

import (
	"errors"
	"math"
	"testing"

	"github.com/qwenvld/qwenvld/engine/tokenizer"
)

// decodeTokens appends tokens to seq from position pos and returns the last row's logits.
func decodeTokens(t *testing.T, c *Context, seq, pos int32, tokens []Token) []float32 {
	t.Helper()
	b := NewTokenBatch(len(tokens))
	defer b.Close()
	for i, tok := range tokens {
		b.AddToken(tok, pos+int32(i), seq, i == len(tokens)-1)
	}
	if err := c.Decode(b); err != nil {
		t.Fatal(err)
	}
	logits, err := c.Logits(len(tokens) - 1)
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), logits...)
}

// relative is the largest difference over the reference's largest magnitude.
func relative(got, want []float32) float64 {
	var diff, scale float64
	for i := range want {
		diff = math.Max(diff, math.Abs(float64(got[i]-want[i])))
		scale = math.Max(scale, math.Abs(float64(want[i])))
	}
	return diff / scale
}

func TestSequencesDecodedTogetherDoNotSeeEachOther(t *testing.T) {
	m := loadModel(t, denseModel)
	o := ContextOptions{ContextSize: 512, BatchSize: 128, MaxSequences: 4, KV: KVFloat32}
	first, second := tokenize(t, tokenizer.Piece{Text: "the red circle"}), tokenize(t, tokenizer.Piece{Text: "a blue square on the left"})
	alone := decodeTokens(t, newContext(t, m, o), 0, 0, second)

	c := newContext(t, m, o)
	b := NewTokenBatch(len(first) + len(second))
	defer b.Close()
	for i, tok := range first {
		b.AddToken(tok, int32(i), 1, false)
	}
	for i, tok := range second {
		b.AddToken(tok, int32(i), 3, i == len(second)-1)
	}
	if err := c.Decode(b); err != nil {
		t.Fatal(err)
	}
	together, err := c.Logits(b.Len() - 1)
	if err != nil {
		t.Fatal(err)
	}
	if r := relative(together, alone); r > 1e-5 {
		t.Errorf("logits differ by %g when another sequence is in the batch", r)
	}
}

func TestCopiedAndCutSequencesContinueAsIfDecodedAnew(t *testing.T) {
	m := loadModel(t, denseModel)
	o := ContextOptions{ContextSize: 512, BatchSize: 128, MaxSequences: 4, KV: KVFloat32}
	prompt, tail := tokenize(t, tokenizer.Piece{Text: "how many shapes are in the image"}), tokenize(t, tokenizer.Piece{Text: " two"})
	want := decodeTokens(t, newContext(t, m, o), 0, 0, append(append([]Token(nil), prompt...), tail...))

	c := newContext(t, m, o)
	decodeTokens(t, c, 0, 0, prompt)
	n := int32(len(prompt))
	c.CopySequence(0, 1, 0, -1)
	decodeTokens(t, c, 1, n, tokenize(t, tokenizer.Piece{Text: " three four"}))
	if !c.RemoveSequence(1, n, -1) {
		t.Fatal("the tail could not be removed")
	}
	if last := c.LastPosition(1); last != n-1 {
		t.Fatalf("last position %d, want %d", last, n-1)
	}
	if r := relative(decodeTokens(t, c, 1, n, tail), want); r > 1e-5 {
		t.Errorf("after copy and cut, logits differ by %g", r)
	}
	if r := relative(decodeTokens(t, c, 0, n, tail), want); r > 1e-5 {
		t.Errorf("the copied sequence's logits differ by %g", r)
	}
}

func TestDecodeReportsAFullCacheAndGoesOnAfterwards(t *testing.T) {
	m := loadModel(t, denseModel)
	c := newContext(t, m, ContextOptions{ContextSize: 256, BatchSize: 512, MaxSequences: 2})
	size := c.Size()
	b := NewTokenBatch(size + 1)
	defer b.Close()
	for i := range size {
		b.AddToken(1, int32(i), 0, false)
	}
	if err := c.Decode(b); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	b.AddToken(1, 0, 1, true)
	if err := c.Decode(b); !errors.Is(err, ErrNoKVSlot) {
		t.Fatalf("err = %v, want ErrNoKVSlot", err)
	}
	c.RemoveSequence(0, 0, -1)
	if err := c.Decode(b); err != nil {
		t.Fatalf("after making room: %v", err)
	}
}

func TestAbortInterruptsDecode(t *testing.T) {
	m := loadModel(t, denseModel)
	c := newContext(t, m, ContextOptions{ContextSize: 512, BatchSize: 256, MaxSequences: 1})
	b := NewTokenBatch(256)
	defer b.Close()
	for i := range 256 {
		b.AddToken(1, int32(i), 0, i == 255)
	}
	c.Abort()
	if err := c.Decode(b); !errors.Is(err, ErrAborted) {
		t.Fatalf("err = %v, want ErrAborted", err)
	}
	c.ClearAbort()
	c.RemoveSequence(0, 0, -1)
	if err := c.Decode(b); err != nil {
		t.Fatalf("after ClearAbort: %v", err)
	}
}

func TestContextRefusesNonsense(t *testing.T) {
	m := loadModel(t, denseModel)
	for name, o := range map[string]ContextOptions{
		"no cells":        {BatchSize: 8, MaxSequences: 1, Threads: 1},
		"unknown KV type": {ContextSize: 64, BatchSize: 8, MaxSequences: 1, Threads: 1, KV: "q3"},
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := NewContext(m, o); err == nil {
				_ = c.Close()
				t.Fatal("accepted")
			}
		})
	}
	c := newContext(t, m, ContextOptions{ContextSize: 64, BatchSize: 8, MaxSequences: 1})
	b := NewEmbeddingBatch(1, m.InputWidth()+1)
	defer b.Close()
	b.AddRow(make([]float32, m.InputWidth()+1), Position{}, 0, true)
	var incompatible *IncompatibleError
	if err := c.Decode(b); !errors.As(err, &incompatible) {
		t.Errorf("rows of a wrong width: %v", err)
	}
}
