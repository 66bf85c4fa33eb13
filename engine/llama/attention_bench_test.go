package llama

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// The kernels that attention is measured with, and the depths. Ours must be at least as fast as the plain one everywhere.
var (
	attentionKernels = []struct {
		name    string
		options ContextOptions
	}{
		{"own", ContextOptions{}},
		{"plain", ContextOptions{PlainAttention: true}},
		{"flash", ContextOptions{libraryAttention: true}},
	}
	attentionDepths = []int{512, 4096, 16384}
)

// flashDepth is the deepest that ggml's flash attention is measured at: it takes minutes beyond, and was the slowest long before.
const flashDepth = 4096

// benchModel loads the file that QWENVLD_BENCH_MODEL names, which should be of a real model's size.
func benchModel(b *testing.B) *Model {
	b.Helper()
	path := os.Getenv("QWENVLD_BENCH_MODEL")
	if path == "" {
		b.Skip("QWENVLD_BENCH_MODEL names no model")
	}
	m, err := LoadModel(b.Context(), ModelOptions{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close() })
	return m
}

// kernelRun is a context with what was measured on it.
type kernelRun struct {
	name           string
	context        *Context
	batch          *Batch
	clock          func() time.Duration
	chunks, tokens []time.Duration
}

// feed computes n tokens of a sequence and returns how long it took.
func (r *kernelRun) feed(b *testing.B, sequence int32, at, n int) time.Duration {
	b.Helper()
	r.batch.Reset()
	for i := at; i < at+n; i++ {
		r.batch.AddToken(Token(i*7919%100000), int32(i), sequence, i == at+n-1)
	}
	before := r.clock()
	if err := r.context.Decode(r.batch); err != nil {
		b.Fatal(err)
	}
	return r.clock() - before
}

const benchChunk = 512 // prompt rows of a step

// fill makes sequence 0 depth tokens long. It is computed as short sequences that do not see each other, which is quick, and then joined.
func (r *kernelRun) fill(b *testing.B, depth int) {
	b.Helper()
	for at := 0; at < depth; at += benchChunk {
		sequence := int32(at/benchChunk) + 1
		r.feed(b, sequence, at, min(benchChunk, depth-at))
		r.context.CopySequence(sequence, 0, -1, -1)
	}
}

// BenchmarkAttention computes chunks of a prompt at some depth and single tokens behind them with each kernel. They take turns chunk by
// chunk and token by token, so that all of them meet the same machine. It reports the median time of both, and how many times as long the
// others take as ours. With one thread (-cpu 1) it takes the processor's time, which others on the machine change little.
func BenchmarkAttention(b *testing.B) {
	m := benchModel(b)
	for _, depth := range attentionDepths {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) { benchAttention(b, m, depth) })
	}
}

func benchAttention(b *testing.B, m *Model, depth int) {
	const tokens = 16 // to one chunk
	threads, clock := runtime.GOMAXPROCS(0), sinceStart()
	if threads == 1 {
		clock = processorTime
	}
	var runs []*kernelRun
	for _, k := range attentionKernels {
		if k.options.libraryAttention && depth > flashDepth {
			continue
		}
		o := k.options
		o.ContextSize, o.BatchSize, o.MaxSequences, o.Threads = depth+benchChunk, benchChunk, depth/benchChunk+1, threads
		r := &kernelRun{name: k.name, context: newContext(b, m, o), batch: NewTokenBatch(benchChunk), clock: clock}
		defer func() { _ = r.batch.Close() }()
		r.fill(b, depth-benchChunk)
		runs = append(runs, r)
	}
	turn := func(number int, f func(r *kernelRun)) {
		for i := range runs {
			f(runs[(number+i)%len(runs)])
		}
	}
	for i := 0; b.Loop(); i++ {
		turn(i, func(r *kernelRun) {
			r.context.RemoveSequence(0, int32(depth-benchChunk), -1)
			r.chunks = append(r.chunks, r.feed(b, 0, depth-benchChunk, benchChunk))
		})
		for j := range tokens {
			turn(j, func(r *kernelRun) { r.tokens = append(r.tokens, r.feed(b, 0, depth+j, 1)) })
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, r := range runs {
		if r != runs[0] {
			b.ReportMetric(medianRatio(r.chunks, runs[0].chunks), r.name+"/own-prompt")
			b.ReportMetric(medianRatio(r.tokens, runs[0].tokens), r.name+"/own-token")
		}
	}
	for _, r := range runs {
		b.ReportMetric(benchChunk/median(r.chunks).Seconds(), r.name+"-prompt-tok/s")
		b.ReportMetric(float64(median(r.tokens).Microseconds())/1000, r.name+"-ms/token")
	}
}

func sinceStart() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// medianRatio is the median of a[i]/b[i].
func medianRatio(a, b []time.Duration) float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = float64(a[i]) / float64(b[i])
	}
	slices.Sort(out)
	return out[len(out)/2]
}
