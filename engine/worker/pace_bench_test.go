package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/compute"
	"github.com/qwenvld/qwenvld/engine/worker/pace"
	"github.com/qwenvld/qwenvld/engine/worker/prefix"
)

// Steps of a turn: long enough for what the last policy left behind to fade.
const paceTurn = 48

// pacer decodes one token after another in its own cache.
type pacer struct {
	w        *weights
	policies []*pace.Pace // for the weights' threads, for one thread, and what is served
	took     [3]time.Duration
	at       int32
}

// benchmarked are the weights that QWENVLD_BENCH_MODEL names.
func benchmarked(b *testing.B) *weights {
	b.Helper()
	path := os.Getenv("QWENVLD_BENCH_MODEL")
	if path == "" {
		b.Skip("QWENVLD_BENCH_MODEL names no model")
	}
	w, err := load(context.Background(), Config{Model: path, ContextSize: 2048, CacheTokens: 2048}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.close)
	return w
}

func newPacer(b *testing.B) *pacer {
	b.Helper()
	w := benchmarked(b)
	return &pacer{w: w, policies: []*pace.Pace{nil, pace.New(1), pace.New(w.config.Threads)}}
}

// turn decodes with one policy after the other.
func (p *pacer) turn(b *testing.B) {
	b.Helper()
	for i, policy := range p.policies {
		p.w.pace = policy
		p.w.decodes.do(func() {
			if policy == nil {
				p.w.context.SetThreads(p.w.config.Threads)
			}
			for range paceTurn {
				if p.at == 1024 {
					p.w.Remove(0, 0, prefix.ToEnd)
					p.at = 0
				}
				row := compute.Row{Token: p.at % 256, Logits: true}
				row.Position.T, row.Position.H, row.Position.W = p.at, p.at, p.at
				before := time.Now()
				if err := p.w.Decode([]compute.Row{row}); err != nil {
					b.Error(err)
					return
				}
				p.took[i] += time.Since(before)
				p.at++
			}
		})
	}
}

// busy keeps n processors busy from another session, as another user would. The loops look now and then whether this process still
// lives: one that is killed cannot end them.
func busy(b *testing.B, n int) {
	b.Helper()
	for range n {
		c := exec.CommandContext(context.Background(), "nice", "-n", "19", "sh", "-c",
			"while kill -0 "+strconv.Itoa(os.Getpid())+"; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done 2>/dev/null")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = c.Process.Kill()
			_ = c.Wait()
		})
	}
}

// BenchmarkPace decodes single tokens with all threads, with one and with as many as the pace chooses, turn by turn, alone, beside busy
// processes and beside a second worker that does the same. It reports the mean milliseconds of a token. The daemon starts its workers with
// OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=2000, so run it with these: tools/bench/pace.sh.
func BenchmarkPace(b *testing.B) {
	for _, c := range []struct {
		name           string
		loops, workers int
	}{{"alone", 0, 1}, {"beside=1", 1, 1}, {"beside=2", 2, 1}, {"both-variants", 0, 2}} {
		b.Run(c.name, func(b *testing.B) {
			pacers := make([]*pacer, c.workers)
			for i := range pacers {
				pacers[i] = newPacer(b)
			}
			busy(b, c.loops)
			var turns int
			for b.Loop() {
				var all sync.WaitGroup
				for _, p := range pacers {
					all.Go(func() { p.turn(b) })
				}
				all.Wait()
				turns++
			}
			b.ReportMetric(0, "ns/op")
			for i, name := range []string{"all-threads", "one-thread", "paced"} {
				var took time.Duration
				for _, p := range pacers {
					took += p.took[i]
				}
				b.ReportMetric(took.Seconds()*1000/float64(turns*paceTurn*c.workers), fmt.Sprintf("%s-ms/token", name))
			}
		})
	}
}
