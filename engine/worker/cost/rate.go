package cost

import "time"

// Rate is what a row costs, which grows with how far back it looks: a straight line through what was seen, where the
// newest counts most. The zero value knows nothing.
type Rate struct {
	// Sums over what was seen: weights, depths, seconds a row, and their products.
	n, x, y, xx, xy float64
}

// spread is how far apart depths must lie to tell how much the depth costs.
const spread = 256.0

// took adds what so many rows at a depth took. A few rows together tell less of what a row costs than many.
func (r *Rate) took(rows int, depth, seconds float64) {
	if rows <= 0 || seconds < 0 {
		return
	}
	const full, forget = 32, 0.15
	y := seconds / float64(rows)
	if r.Known() {
		y = credible(y, r.row(depth))
	}
	w := min(1, float64(rows)/full)
	keep := 1 - forget*w
	r.n, r.x, r.y = r.n*keep+w, r.x*keep+w*depth, r.y*keep+w*y
	r.xx, r.xy = r.xx*keep+w*depth*depth, r.xy*keep+w*depth*y
}

// Known reports whether anything was seen.
func (r *Rate) Known() bool { return r.n > 0 }

// row is what one row costs at a depth, in seconds.
func (r *Rate) row(depth float64) float64 {
	if !r.Known() {
		return Guess.Seconds()
	}
	mx, my := r.x/r.n, r.y/r.n
	variance := r.xx/r.n - mx*mx
	slope := max(0, (r.xy/r.n-mx*my)/(max(0, variance)+spread*spread))
	// Where the line runs below what a row in the shallowest place can cost, it is bent: rows cost something anywhere.
	const least = 0.05
	return max(my+slope*(depth-mx), least*my, 1e-9)
}

// Takes is how long so many rows take behind as many others as depth says.
func (r *Rate) Takes(rows int, depth float64) time.Duration {
	if rows <= 0 {
		return 0
	}
	return seconds(float64(rows) * r.row(depth+float64(rows)/2))
}

// Fit is how many rows, at most so many, are computed within a time behind as many others as depth says.
func (r *Rate) Fit(most int, depth float64, within time.Duration) int {
	low, high := 0, most // the answer is in between: more rows never take less time
	for low < high {
		middle := (low + high + 1) / 2
		if r.Takes(middle, depth) <= within {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}
