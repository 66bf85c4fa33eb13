package anthropic

import (
	"testing"

	"github.com/qwenvld/qwenvld/api/surface/surfacetest"
)

func TestEventsBecomeMessages(t *testing.T) {
	surfacetest.Run(t, func(*testing.T, []byte) surfacetest.Encoding {
		e := newEncoder("1", "qwen3-vl-thinking")
		return surfacetest.Encoding{Encoder: e, Whole: e.whole}
	})
}
