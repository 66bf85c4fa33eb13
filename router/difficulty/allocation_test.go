//go:build !race

package difficulty_test

import (
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/router"
)

// The race detector empties pools at random.
func TestScoringDoesNotAllocate(t *testing.T) {
	m := shipped(t)
	for _, text := range []string{prompt(1024), "다음 방정식을 푸시오: x² = 2", "全角１２３、求证 a ≤ b", strings.Repeat("긴 문장입니다. ", 900)} {
		f := router.Features{Text: text, Images: 1}
		if n := testing.AllocsPerRun(100, func() { m.Assess(&f) }); n >= 1 { // the pool may be emptied now and then
			t.Errorf("%.20q: %g allocations", text, n)
		}
	}
}
