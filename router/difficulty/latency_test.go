package difficulty_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/router"
)

// BenchmarkDecide measures the whole decision with the shipped weights: wishes in words, the score, the price, the conversation and the
// reasons. Beside the mean it reports the median and the 99th percentile of single decisions, in microseconds.
func BenchmarkDecide(b *testing.B) {
	r, err := router.New(shipped(b), router.DefaultQuality)
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct{ name, text string }{
		{"55B", prompt(55)},
		{"1KB", prompt(1024)},
		{"1KB Korean", strings.Repeat("이 사진에 있는 건물 12채의 평균 높이는 얼마인가요? ", 14)},
		{"4KB", prompt(4096)},
		{"100KB", prompt(8192) + strings.Repeat("It goes on. ", 8000)},
	} {
		in := router.Input{
			Facts:    router.Facts{Instruct: true, Thinking: true},
			Features: router.Features{Text: tt.text, Images: 1},
		}
		b.Run(tt.name, func(b *testing.B) {
			took := make([]time.Duration, 0, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				if _, err := r.Decide(&in); err != nil {
					b.Fatal(err)
				}
				if len(took) < cap(took) {
					took = append(took, time.Since(start))
				}
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1e6, "p50-us")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1e6, "p99-us")
		})
	}
}

// BenchmarkForecast measures what a forecast decides beside a decision: who answers at eleven qualities.
func BenchmarkForecast(b *testing.B) {
	r, err := router.New(shipped(b), router.DefaultQuality)
	if err != nil {
		b.Fatal(err)
	}
	qualities := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, tt := range []struct {
		name, text string
		history    int
	}{{"55B", prompt(55), 0}, {"4KB", prompt(4096), 0}, {"4KB after eight turns", prompt(4096), 8}} {
		in := router.Input{
			Facts:    router.Facts{Instruct: true, Thinking: true},
			Features: router.Features{Text: tt.text, Images: 1},
			History:  slices.Repeat([]router.Features{{Text: tt.text}}, tt.history),
		}
		b.Run(tt.name+"/together", func(b *testing.B) {
			for b.Loop() {
				if _, err := r.DecideAt(&in, qualities); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(tt.name+"/each", func(b *testing.B) {
			for b.Loop() {
				for _, q := range qualities {
					at := in
					at.Controls.Quality = &q
					if _, err := r.Decide(&at); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
