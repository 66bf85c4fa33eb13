package train

import (
	"cmp"
	"math"
	"slices"

	"github.com/qwenvld/qwenvld/router/difficulty"
)

// auc is the probability that a thinking prompt scores above an instruct one; ties count half.
func auc(scores []float64, positive []bool) float64 {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	var ranks, n float64
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && scores[order[j]] == scores[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			if positive[k] {
				ranks += float64(i+j+1) / 2
				n++
			}
		}
		i = j
	}
	negative := float64(len(scores)) - n
	if n == 0 || negative == 0 {
		return math.NaN()
	}
	return (ranks - n*(n+1)/2) / (n * negative)
}

// calibrationError is the expected calibration error in ten bins of equal width, points weighing by mass.
func calibrationError(p []float64, positive []bool, mass []float64) float64 {
	const bins = 10
	var sum, hits [bins]float64
	total := 0.0
	for i, x := range p {
		b := min(int(x*bins), bins-1)
		sum[b] += mass[i] * x
		total += mass[i]
		if positive[i] {
			hits[b] += mass[i]
		}
	}
	e := 0.0
	for b := range bins {
		e += math.Abs(sum[b] - hits[b])
	}
	return e / max(total, math.SmallestNonzeroFloat64)
}

// fitPlatt fits sigmoid(A*z+B) to targets by damped Newton steps; plain ones can diverge. Points weigh by mass, the
// same where it is nil.
func fitPlatt(z, goal, mass []float64) difficulty.Platt {
	weight := func(i int) float64 {
		if mass == nil {
			return 1 / float64(len(z))
		}
		return mass[i]
	}
	p := difficulty.Platt{A: 1}
	loss := func(p difficulty.Platt) float64 {
		sum := 0.0
		for i := range z {
			q := min(max(p.Apply(z[i]), 1e-9), 1-1e-9)
			sum -= weight(i) * (goal[i]*math.Log(q) + (1-goal[i])*math.Log(1-q))
		}
		return sum
	}
	current := loss(p)
	const steps, ridge = 50, 1e-10
	for range steps {
		var ga, gb, haa, hab, hbb float64
		for i := range z {
			q := p.Apply(z[i])
			d, w := weight(i)*(q-goal[i]), weight(i)*q*(1-q)
			ga += d * z[i]
			gb += d
			haa += w * z[i] * z[i]
			hab += w * z[i]
			hbb += w
		}
		haa, hbb = haa+ridge, hbb+ridge
		det := haa*hbb - hab*hab
		da, db := (hbb*ga-hab*gb)/det, (haa*gb-hab*ga)/det
		damp := 1.0
		next, value := p, current
		for range 20 {
			next = difficulty.Platt{A: p.A - damp*da, B: p.B - damp*db}
			if value = loss(next); value <= current {
				break
			}
			damp /= 2
		}
		if value > current || current-value < 1e-9*math.Abs(current) {
			break
		}
		p, current = next, value
	}
	return p
}

// Recall is what happened to one source's labelled prompts.
type Recall struct {
	Source, Lang       string
	Instruct, Kept     int // labelled instruct, and answered so
	Thinking, Caught   int
	UnsureSum, Unsures int // thought about, of the unsure
}

// Balanced is a macro average over sources with at least minLabelled prompts of a label.
type Balanced struct{ Kept, Caught float64 }

// Mean of both recalls.
func (b Balanced) Mean() float64 { return (b.Kept + b.Caught) / 2 }

const minLabelled = 10

// macro averages recalls over the sources of the chosen examples, and returns those too.
func macro(examples []*Example, think []bool, choose func(*Example) bool) (Balanced, []Recall) {
	bySource := map[string]*Recall{}
	for i, e := range examples {
		if !choose(e) {
			continue
		}
		r := bySource[e.Source]
		if r == nil {
			r = &Recall{Source: e.Source}
			bySource[e.Source] = r
		}
		switch e.Label {
		case LabelInstruct:
			r.Instruct++
			r.Kept += count(!think[i])
		case LabelThinking:
			r.Thinking++
			r.Caught += count(think[i])
		default:
			r.Unsures++
			r.UnsureSum += count(think[i])
		}
	}
	var out []Recall
	var b Balanced
	var nk, nc float64
	for _, r := range bySource {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Recall) int { return cmp.Compare(a.Source, b.Source) })
	for _, r := range out {
		if r.Instruct >= minLabelled {
			b.Kept += float64(r.Kept) / float64(r.Instruct)
			nk++
		}
		if r.Thinking >= minLabelled {
			b.Caught += float64(r.Caught) / float64(r.Thinking)
			nc++
		}
	}
	return Balanced{b.Kept / max(nk, 1), b.Caught / max(nc, 1)}, out
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Gap is how much of the difference between always-direct and always-thinking a ranking wins.
type Gap struct {
	Area   float64 // APGR: the mean over all shares of thinking; 0.5 is a random ranking
	Peak   float64 // above 1: better than always thinking
	At     [3]float64
	Needed float64 // share of thinking for 95% of the gap
}

// gapWon ranks outcomes by score, the highest first.
func gapWon(examples []*Example, scores []float64) Gap {
	order := make([]int, len(examples))
	whole := 0.0
	for i, e := range examples {
		order[i] = i
		whole += *e.Strong - *e.Weak
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	g := Gap{Needed: 1}
	won, n := 0.0, len(order)
	for k := 0; k <= n; k++ {
		if k > 0 {
			e := examples[order[k-1]]
			won += (*e.Strong - *e.Weak) / whole
		}
		g.Area += won / float64(n+1)
		g.Peak = max(g.Peak, won)
		if won >= 0.95 {
			g.Needed = min(g.Needed, float64(k)/float64(n))
		}
		for i, share := range []int{20, 50, 80} {
			if k == n*share/100 {
				g.At[i] = won
			}
		}
	}
	return g
}
