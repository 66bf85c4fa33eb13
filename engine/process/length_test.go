package process

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

// A prompt that cannot fit is not even sent: the worker would have to read and decode all of it.
func TestPromptsThatCannotFitStayInTheDaemon(t *testing.T) {
	closed := t.TempDir() + "/sent"
	s, _ := supervise(t, script{DieAfter: -1, Once: closed, Events: 1}, nil) // dies of the first request that reaches it
	info := ready(t, s)
	pieces := []engine.Piece{{Kind: engine.PieceText, Text: strings.Repeat("a", info.TokenBytes*(info.TextTokens()+1))}}
	var length *engine.ContextLengthError
	if _, err := s.Generate(t.Context(), &engine.Request{Prompt: pieces}); !errors.As(err, &length) || !length.More {
		t.Errorf("generate: %v", err)
	}
	if _, err := s.Tokenize(t.Context(), pieces); !errors.As(err, &length) || length.PromptTokens != info.TextTokens() {
		t.Errorf("tokenize: %v", err)
	}
	if _, err := os.Stat(closed); err == nil {
		t.Error("a request reached the worker")
	}
}
