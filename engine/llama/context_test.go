package llama

import (
	"errors"
	"math"
	"slices"
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

// A context that has computed on a card holds what the card has recorded of its graphs; each must end without a trace.
func TestContextsEndAndOthersFollow(t *testing.T) {
	m := loadModel(t, denseModel)
	prompt := tokenize(t, tokenizer.Piece{Text: "a blue square on the left"})
	var first []float32
	for range 4 {
		c := newContext(t, m, ContextOptions{ContextSize: 256, BatchSize: 32, MaxSequences: 1})
		got := decodeTokens(t, c, 0, 0, prompt)
		for i := range int32(6) {
			got = decodeTokens(t, c, 0, int32(len(prompt))+i, prompt[:1])
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) {
			t.Errorf("logits are %.2g off those of the first context", relative(got, first))
		}
	}
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

// The scores of plain attention grow with cells times rows times heads; the library reserves them when the context is made.
func TestPlainAttentionComputesFewRowsAtOnceInALargeCache(t *testing.T) {
	for _, tc := range []struct {
		o     ContextOptions
		heads int
		want  int
	}{
		{ContextOptions{ContextSize: 262144, BatchSize: 512}, 64, 512},
		{ContextOptions{ContextSize: 32768, BatchSize: 512, KV: KVFloat32}, 16, 256},
		{ContextOptions{ContextSize: 262144, BatchSize: 512, KV: KVFloat32}, 32, 16},
		{ContextOptions{ContextSize: 1 << 20, BatchSize: 512, PlainAttention: true}, 64, 2},
		{ContextOptions{ContextSize: 4096, BatchSize: 512, MicroBatchSize: 64, KV: KVFloat32}, 16, 64},
	} {
		if got := tc.o.microBatch(tc.heads); got != tc.want {
			t.Errorf("%+v, %d heads: %d rows at once, want %d", tc.o, tc.heads, got, tc.want)
		}
	}
	m := loadModel(t, denseModel)
	for _, kv := range []KVType{KVFloat16, KVQ8, KVFloat32} {
		c := newContext(t, m, ContextOptions{ContextSize: 262144, BatchSize: 512, MaxSequences: 8, KV: kv})
		if b := NewTokenBatch(1); c.Size() < 262144 {
			t.Errorf("%s: %d cells", kv, c.Size())
		} else {
			b.AddToken(1, 0, 0, true)
			if err := c.Decode(b); err != nil {
				t.Errorf("%s: %v", kv, err)
			}
			_ = b.Close()
		}
		_ = c.Close()
	}
}

// The attention kernel's sums depend on a row's query and on what it sees, not on the threads or on the rows computed beside it.
// Sequences of their own are rows of one batch here, so the rest of the network computes the same in both runs.
func TestAttentionDoesNotDependOnThreadsOrOnOtherSequencesCells(t *testing.T) {
	m := loadModel(t, denseModel)
	run := func(threads int, beside bool) []float32 {
		c := newContext(t, m, ContextOptions{ContextSize: 4096, BatchSize: 300, MaxSequences: 2, Threads: threads})
		defer c.Close()
		other := depthText(700)
		for at := 0; at < 600; at += 100 {
			if beside { // cells of another sequence lie between ours
				decodeTokens(t, c, 1, int32(at), other[at:at+70+at/60])
				c.RemoveSequence(1, int32(at+30), -1)
				c.RemoveSequence(1, int32(at), -1)
				decodeTokens(t, c, 1, int32(at), other[at:at+100])
			}
			decodeTokens(t, c, 0, int32(at), depthText(700)[at:at+100])
		}
		return decodeTokens(t, c, 0, 600, depthText(700)[600:601])
	}
	want := run(1, false)
	for _, threads := range []int{1, 2, 5} {
		for _, beside := range []bool{false, true} {
			if got := run(threads, beside); !slices.Equal(got, want) {
				t.Errorf("%d threads, others beside %v: logits differ by %g", threads, beside, relative(got, want))
			}
		}
	}
}

func TestThreadsMayChangeBetweenStepsWithoutATrace(t *testing.T) {
	m := loadModel(t, "dense-untied/model.gguf")
	run := func(threads ...int) (out []float32) {
		c := newContext(t, m, ContextOptions{ContextSize: 512, BatchSize: 64, MaxSequences: 1, Threads: 4})
		b := NewTokenBatch(64)
		defer b.Close()
		tokens := depthText(100)
		for at, n := 0, 60; at < len(tokens); at, n = at+n, 1 {
			c.SetThreads(threads[at%len(threads)])
			b.Reset()
			for i := range n {
				b.AddToken(tokens[at+i], int32(at+i), 0, i == n-1)
			}
			if err := c.Decode(b); err != nil {
				t.Fatal(err)
			}
			row, err := c.Logits(n - 1)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, row...)
		}
		return out
	}
	want := run(1)
	if got := run(2, 1, 4, 3, 1); !slices.Equal(got, want) {
		t.Errorf("logits differ by %g", relative(got, want))
	}
}
