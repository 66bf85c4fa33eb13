package soak

import (
	"math"
	"slices"
)

// series is a quantity over time.
type series struct {
	name string
	unit string
	// tolerated is what it may grow by whatever it is, in its unit.
	tolerated float64
	values    []float64
}

// share is what a quantity may grow by, as a part of its median, while it counts as even.
const share = 0.03

// verdict is what became of a quantity.
type verdict struct {
	first, median, last, most float64
	// growth is by how much it rose from the end of the settling time to the end, if its trend is followed.
	growth float64
	flat   bool
}

// settling is the part of the samples that is left out of the trend: caches fill, and the garbage collector finds its
// pace.
const settling = 0.25

// judge fits a trend through the samples behind the settling time. The trend is the median of the slopes between all
// pairs of samples (Theil and Sen), which a few outliers do not move: memory under load goes up and down.
func (s *series) judge() verdict {
	steady := s.values[int(settling*float64(len(s.values))):]
	v := verdict{first: s.values[0], last: s.values[len(s.values)-1], median: median(steady), most: slices.Max(s.values)}
	v.growth = slope(steady) * float64(len(steady)-1)
	v.flat = v.growth <= math.Max(s.tolerated, share*v.median)
	return v
}

// slope is the median slope between all pairs of values, for a step of one.
func slope(values []float64) float64 {
	var slopes []float64
	for i := range values {
		for j := i + 1; j < len(values); j++ {
			slopes = append(slopes, (values[j]-values[i])/float64(j-i))
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	return median(slopes)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
