package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/compute"
	"github.com/qwenvld/qwenvld/engine/worker/prefix"
)

// BenchmarkRows tells how long steps take in which one sequence has so many rows, beside one of a single row: what
// drafted tokens cost.
func BenchmarkRows(b *testing.B) {
	w := benchmarked(b)
	const most, depth = 16, 64
	step := func(at int32, n int) (took time.Duration) {
		rows := make([]compute.Row, n)
		for i := range rows {
			p := at + int32(i)
			rows[i] = compute.Row{Token: p%256 + 1000, Logits: true}
			rows[i].Position.T, rows[i].Position.H, rows[i].Position.W = p, p, p
		}
		w.decodes.do(func() {
			before := time.Now()
			if err := w.Decode(rows); err != nil {
				b.Error(err)
			}
			took = time.Since(before)
			if at > 0 {
				w.Remove(0, at, prefix.ToEnd)
			}
		})
		return took
	}
	step(0, depth)
	var sums [most + 1]time.Duration
	for b.Loop() {
		for n := 1; n <= most; n++ {
			sums[n] += step(depth, n)
		}
	}
	for n := 2; n <= most; n++ {
		b.ReportMetric(float64(sums[n])/float64(sums[1]), fmt.Sprintf("x/%d-rows", n))
	}
	b.ReportMetric(sums[1].Seconds()*1000/float64(b.N), "ms/1-row")
}
