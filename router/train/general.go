package train

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// prompts are those that were written for this router, and some of public sources. They are with the program, so that
// whoever calibrates weights to one's own pair has prompts of all other kinds at hand.
//
//go:embed prompts/*.jsonl public/*.jsonl
var prompts embed.FS

const (
	// generalLoss is how much a source of general prompts may lose of its balanced recall by a calibration, and all
	// together of either recall.
	generalLoss = 0.01
	// taught of every taughtOf prompts of a source are gone through, the others are only looked at.
	taught, taughtOf = 3, 5
)

// general are the prompts that a calibration must not forget, with what the weights decided of them before.
type general struct {
	examples []*Example
	before   map[side]float64
	price    float64 // as it was before
}

// startingAt has m's calibration hold what the shipped weights know: calibrated again and again, each time from what
// came of the last, weights would lose a little each time. What m has lost already, as weights of other making may
// have, it need not regain.
func startingAt(m *difficulty.Model) (*general, error) {
	shipped, err := difficulty.Default()
	if err != nil {
		return nil, err
	}
	g, err := newGeneral(shipped)
	if err != nil {
		return nil, err
	}
	just := g.just(m)
	if g.worst(just, m.Lambda) > generalLoss {
		g.before = g.recalls(just, m.Lambda)
	}
	g.price = m.Lambda
	return g, nil
}

// newGeneral reads the prompts and notes the recalls of m.
func newGeneral(m *difficulty.Model) (*general, error) {
	s := &Set{}
	for _, folder := range []string{"prompts", "public"} {
		if err := s.readFolder(folder); err != nil {
			return nil, fmt.Errorf("general prompts: %w", err)
		}
	}
	g := &general{examples: s.Examples, price: m.Lambda}
	g.before = g.recalls(g.just(m), m.Lambda)
	return g, nil
}

// readFolder reads the files of an embedded folder.
func (s *Set) readFolder(folder string) error {
	files, err := prompts.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := prompts.ReadFile(path.Join(folder, f.Name()))
		if err != nil {
			return err
		}
		if err := s.read(data); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return nil
}

// lessons are the prompts that may be gone through.
func (g *general) lessons() []*Example {
	n := map[string]int{}
	return slices.DeleteFunc(slices.Clone(g.examples), func(e *Example) bool {
		n[e.Source]++
		return n[e.Source]%taughtOf >= taught
	})
}

// sample draws at most n lessons of each source.
func (g *general) sample(n int, seed uint64) []*Example {
	rng := rand.New(rand.NewPCG(seed, 7))
	drawn := map[string]int{}
	lessons := g.lessons()
	var out []*Example
	for _, i := range rng.Perm(len(lessons)) {
		e := lessons[i]
		if drawn[e.Source]++; drawn[e.Source] <= n {
			out = append(out, e)
		}
	}
	return out
}

// just are the prices at which m would just think about each prompt.
func (g *general) just(m *difficulty.Model) []float64 {
	unit := difficulty.Model{Header: difficulty.Header{Lambda: 1}}
	out := make([]float64, len(g.examples))
	for i, e := range g.examples {
		a := m.Assess(e.features())
		out[i] = (a.Thinking - a.Instruct) / unit.Price(a.Tokens, router.DefaultQuality)
	}
	return out
}

// side is one label of a source.
type side struct {
	source string
	label  Label
}

// recalls are those of each label of each source at a price.
func (g *general) recalls(just []float64, lambda float64) map[side]float64 {
	right, n := map[side]float64{}, map[side]float64{}
	for i, e := range g.examples {
		at := side{e.Source, e.Label}
		n[at]++
		right[at] += float64(count((just[i] > lambda) == (e.Label == LabelThinking)))
	}
	for at := range right {
		right[at] /= n[at]
	}
	return right
}

// allows reports of a price whether m at it forgets little enough. A dearer price than before is never allowed: hard
// prompts of kinds that are not among these would pay it.
func (g *general) allows(m *difficulty.Model) func(lambda float64) bool {
	just := g.just(m)
	return func(lambda float64) bool {
		return lambda <= g.price && g.worst(just, lambda) <= generalLoss
	}
}

// worst is the largest loss: of the balanced recall of a source, or of what is kept or caught as a mean over all.
func (g *general) worst(just []float64, lambda float64) float64 {
	worst := 0.0
	after, n := g.recalls(just, lambda), map[string]float64{}
	loss := map[string]float64{} // of a source's balanced recall, and of each recall over all sources
	for at, recall := range after {
		lost := g.before[at] - recall
		for _, name := range []string{at.source, "all " + string(at.label)} {
			loss[name] += lost
			n[name]++
		}
	}
	for name, lost := range loss {
		worst = max(worst, lost/n[name])
	}
	return worst
}

// GeneralLoss is the most that a source of the prompts written for this router loses of its balanced recall at quality
// 5, or all of them of either recall, where weights take the place of others.
func GeneralLoss(before, after *difficulty.Model) (float64, error) {
	g, err := newGeneral(before)
	if err != nil {
		return 0, err
	}
	return g.worst(g.just(after), after.Lambda), nil
}
