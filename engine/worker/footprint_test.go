package worker

import (
	"bytes"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine/footprint"
	"github.com/qwenvld/qwenvld/engine/gguf"
)

var bufferSize = regexp.MustCompile(`(\S+) +(model|KV|compute|output) buffer size *= *([0-9.]+) MiB`)

// The library tells what it allocates when it loads a model.
func TestTheFootprintIsWhatTheLibraryAllocates(t *testing.T) {
	for _, c := range []struct {
		name  string
		model string
		Config
	}{
		{"built-in", "../../internal/demopair/weights/instruct.gguf", Config{CacheTokens: 8192, BatchSize: 512, MaxSequences: 8}},
		{"built-in, small cache", "../../internal/demopair/weights/instruct.gguf", Config{CacheTokens: 256, BatchSize: 256, MaxSequences: 8}},
		{"built-in, f32", "../../internal/demopair/weights/instruct.gguf", Config{CacheTokens: 4096, CacheType: "f32", BatchSize: 256, MaxSequences: 8}},
		{"built-in, q8_0", "../../internal/demopair/weights/instruct.gguf", Config{CacheTokens: 8192, CacheType: "q8_0", BatchSize: 512, MaxSequences: 8}},
		{"experts", references + "moe/model.gguf", Config{CacheTokens: 8192, BatchSize: 512, MaxSequences: 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			c.Model, c.Threads, c.ContextSize = c.model, 2, 256
			w, err := load(t.Context(), c.Config, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
			if err != nil {
				t.Fatal(err)
			}
			w.close()
			said := map[string]float64{}
			for _, m := range bufferSize.FindAllStringSubmatch(log.String(), -1) {
				n, err := strconv.ParseFloat(m[3], 64)
				if err != nil {
					t.Fatal(err)
				}
				said[strings.ToLower(m[2])] += n
			}
			file, err := gguf.ReadModel(c.Model)
			if err != nil {
				t.Fatal(err)
			}
			e, err := footprint.Of(file, nil, footprint.Sizes{
				CacheTokens: c.CacheTokens, CacheType: c.CacheType, BatchSize: c.BatchSize, MaxSequences: c.MaxSequences,
			})
			if err != nil {
				t.Fatal(err)
			}
			const mib = 1 << 20
			for what, n := range map[string]int64{"model": e.Host.Weights, "kv": e.Host.Cache, "compute": e.Host.Buffers} {
				want := said[what]
				if what == "compute" {
					want += said["output"]
				}
				t.Logf("%s: %.2f MiB, the library says %.2f", what, float64(n)/mib, want)
				if got := float64(n) / mib; want == 0 || got < 0.95*want || got > 1.2*want {
					t.Errorf("%s: %.2f MiB, the library says %.2f", what, got, want)
				}
			}
		})
	}
}
