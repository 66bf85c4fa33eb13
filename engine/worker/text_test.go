package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

func loaded(t *testing.T) *weights {
	t.Helper()
	w, err := load(t.Context(), config("dense-tied"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func textRequest(text string) *engine.Request {
	return &engine.Request{Prompt: []engine.Piece{{Kind: engine.PieceText, Text: text}}}
}

// A run of one letter overflowed the stack of a splitter that recursed on each.
func TestLongRunsOfOneCharacterAreTextLikeAnyOther(t *testing.T) {
	c := config("dense-tied")
	s := start(t, c)
	for _, unit := range []string{"a", " ", "-", "\n", "é", "\u0301", "中"} {
		var length *engine.ContextLengthError
		if _, _, err := s.generate(textRequest(strings.Repeat(unit, 300_000))); !errors.As(err, &length) || !length.More {
			t.Errorf("%q: %v", unit, err)
		}
	}
	if _, _, err := s.generate(&engine.Request{Prompt: textRequest("hello").Prompt, MaxTokens: 3}); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

func TestARefusalCountsPromptsThatAreNotFarTooLong(t *testing.T) {
	w := loaded(t)
	var length *engine.ContextLengthError
	_, err := w.prepare(t.Context(), textRequest(strings.Repeat("1", 300)))
	if !errors.As(err, &length) || length.More || length.PromptTokens != 300 || length.ContextSize != 256 {
		t.Errorf("%v", err)
	}
	_, err = w.prepare(t.Context(), textRequest(strings.Repeat("1", 600)))
	if !errors.As(err, &length) || !length.More || length.PromptTokens != 512 || !strings.Contains(err.Error(), "more than 512 tokens") {
		t.Errorf("%v", err)
	}
	// Tokens and pictures take from the same room.
	req := textRequest(strings.Repeat("1", 200))
	req.Prompt = append(req.Prompt, engine.Piece{Kind: engine.PieceTokens, Tokens: make([]int32, 200)}, req.Prompt[0])
	if _, err := w.prepare(t.Context(), req); !errors.As(err, &length) || !length.More {
		t.Errorf("%v", err)
	}
}

func TestTokenisingEndsWhenItsClientLeaves(t *testing.T) {
	w := loaded(t)
	gone := &testkit.Countdown{Context: t.Context(), Looks: 0}
	if _, err := w.prepare(gone, textRequest("hello")); !errors.Is(err, context.Canceled) {
		t.Errorf("a prompt: %v", err)
	}
	text := []engine.Piece{{Kind: engine.PieceText, Text: strings.Repeat("the red circle ", 5_000)}}
	tokens, err := w.tokenize(t.Context(), text)
	if err != nil || len(tokens) == 0 {
		t.Fatal(err)
	}
	if _, err := w.tokenize(&testkit.Countdown{Context: t.Context(), Looks: 2}, text); !errors.Is(err, context.Canceled) {
		t.Errorf("a text: %v", err)
	}
	// What cannot fit is refused without a look at anything.
	var length *engine.ContextLengthError
	if _, err := w.prepare(gone, textRequest(strings.Repeat("words ", 1<<20))); !errors.As(err, &length) {
		t.Errorf("a prompt that cannot fit: %v", err)
	}
}

func TestTextsThatAreOnlyCountedMayBeLonger(t *testing.T) {
	w := loaded(t)
	tokens, err := w.tokenize(t.Context(), textRequest(strings.Repeat("1", 1000)).Prompt)
	if err != nil || len(tokens) != 1000 {
		t.Errorf("%d tokens, %v", len(tokens), err)
	}
	var length *engine.ContextLengthError
	if _, err := w.tokenize(t.Context(), textRequest(strings.Repeat("1", 1<<20)).Prompt); !errors.As(err, &length) || !length.More {
		t.Errorf("%v", err)
	}
}

func TestABadFileIsRefusedBeforeItIsLoaded(t *testing.T) {
	pipe := t.TempDir() + "/model.gguf"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cut := t.TempDir() + "/cut.gguf"
	data, err := os.ReadFile(references + "dense-tied/model.gguf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ model, projector, want string }{
		{pipe, "", "is a named pipe"},
		{cut, "", "is cut short"},
		{references + "dense-tied/mmproj.gguf", "", "is a projector"},
		{references + "dense-tied/model.gguf", references + "moe/mmproj.gguf", "does not fit"},
		{references + "dense-tied/model.gguf", references + "dense-tied/model.gguf", "expected a projector"},
	} {
		c := config("dense-tied")
		c.Model, c.Projector = tc.model, tc.projector
		w, err := load(t.Context(), c, nil, nil)
		if err == nil {
			w.close()
		}
		named := tc.model
		if tc.projector != "" {
			named = tc.projector
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Count(err.Error(), named) == 0 {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

func TestWeightsThatComputeNoNumbersAreRefused(t *testing.T) {
	for _, tc := range []struct{ file, tensor string }{
		{"model.gguf", "output_norm.weight"}, {"model.gguf", "blk.1.ffn_down.weight"}, {"mmproj.gguf", "v.blk.0.ln1.bias"}, {"mmproj.gguf", "mm.2.weight"},
	} {
		c := config("dense-tied")
		path := references + "dense-tied/" + tc.file
		f, err := gguf.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		last, at := f.Tensors[len(f.Tensors)-1], f.Tensor(tc.tensor)
		const alignment = 32
		weights := len(data) - int((last.Offset+last.Bytes+alignment-1)/alignment*alignment)
		binary.LittleEndian.PutUint32(data[weights+int(at.Offset):], math.Float32bits(float32(math.NaN())))
		damaged := t.TempDir() + "/" + tc.file
		if err := os.WriteFile(damaged, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if tc.file == "model.gguf" {
			c.Model = damaged
		} else {
			c.Projector = damaged
		}
		w, err := load(t.Context(), c, nil, nil)
		if err == nil {
			w.close()
		}
		if err == nil || !strings.Contains(err.Error(), damaged) || !strings.Contains(err.Error(), "not a number") && !strings.Contains(err.Error(), "not numbers") {
			t.Errorf("%s: %v", tc.tensor, err)
		}
	}
}
