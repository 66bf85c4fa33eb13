package arena

import (
	"testing"

	"github.com/qwenvld/qwenvld/internal/trial/daemon"
)

func TestWhatRemainsIsToldFromWhatIsKept(t *testing.T) {
	before := &daemon.Vitals{Goroutines: 30, Descriptors: 20, Decoders: 1}
	for want, after := range map[string]daemon.Vitals{
		"":                               {Goroutines: 33, Descriptors: 24, Decoders: 1},
		"40 goroutines, before 30":       {Goroutines: 40, Descriptors: 20, Decoders: 1},
		"5 live KV cells, before 0":      {Goroutines: 30, Descriptors: 20, Decoders: 1, LiveCells: 5},
		"1 requests in flight, before 0": {Goroutines: 30, Descriptors: 20, Decoders: 1, InFlight: 1},
		"1 temporary files, before 0":    {Goroutines: 30, Descriptors: 20, Decoders: 1, TempFiles: 1},
		"29 descriptors, before 20":      {Goroutines: 30, Descriptors: 29, Decoders: 1},
		"90 goroutines, before 30, 99 descriptors, before 20": {Goroutines: 90, Descriptors: 99, Decoders: 3},
	} {
		if got := Remains(before, &after); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	more := daemon.Vitals{Goroutines: 30, Descriptors: 29, Decoders: 2} // another decoder has descriptors of its own
	if got := Remains(before, &more); got != "" {
		t.Errorf("%q", got)
	}
}
