package measure

import (
	"math"
	"slices"
)

const half = 0.5

// Quantile is the value below which the share q of values lies, between two values where it falls between them. Values
// stay as they are; of none it is NaN.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Spread is a figure over all rounds.
type Spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"min"`
	Most   float64 `json:"max"`
}

// SpreadOf is the spread of a figure's values. It is false where there are none.
func SpreadOf(values []float64) (Spread, bool) {
	if len(values) == 0 {
		return Spread{}, false
	}
	return Spread{Quantile(values, half), slices.Min(values), slices.Max(values)}, true
}

// Collect are the values of a figure, those rounds left out that lack it.
func Collect(rounds []Figures, name string) []float64 {
	var values []float64
	for _, f := range rounds {
		if v, ok := f[name]; ok {
			values = append(values, v)
		}
	}
	return values
}

// Ratio compares a figure of two servers that were measured in turns: the ratio of the medians, and the least and the
// largest ratio within a round. It is false where a round lacks the figure or divides by nothing.
func Ratio(rounds, base []Figures, name string) (Spread, bool) {
	if len(rounds) != len(base) {
		return Spread{}, false
	}
	ratios := make([]float64, len(rounds))
	for i := range rounds {
		above, ok := rounds[i][name]
		below, found := base[i][name]
		if !ok || !found || below == 0 {
			return Spread{}, false
		}
		ratios[i] = above / below
	}
	spread, ok := SpreadOf(ratios)
	if ok {
		spread.Median = Quantile(Collect(rounds, name), half) / Quantile(Collect(base, name), half)
	}
	return spread, ok
}
