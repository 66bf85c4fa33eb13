package ollama

import (
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/surface/surfacetest"
)

// The client asked at noon, by a clock that goes on by a second whenever it is read.
func TestEventsBecomeMessages(t *testing.T) {
	surfacetest.Run(t, func(*testing.T, []byte) surfacetest.Encoding {
		noon := time.Date(2025, time.January, 1, 12, 0, 0, 0, time.UTC)
		clock := noon
		e := &encoder{
			model: "qwen3-vl-thinking", asked: noon, first: func() time.Duration { return 250 * time.Millisecond },
			now: func() time.Time {
				clock = clock.Add(time.Second)
				return clock
			},
		}
		return surfacetest.Encoding{Encoder: e, Whole: e.whole}
	})
}
