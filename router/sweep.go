package router

// DecideAt is Decide at each of several qualities, in their order. Each turn is looked at once for all of them. The
// decisions have neither a kind nor the reasons that lie in the prompt.
func (r *Router) DecideAt(in *Input, qualities []float64) ([]Decision, error) {
	once := Router{scorer: remembering{r.scorer, map[*Features]Assessment{}}, quality: r.quality}
	at, out := *in, make([]Decision, 0, len(qualities))
	for i := range qualities {
		at.Controls.Quality = &qualities[i]
		d, err := once.Decide(&at)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// remembering assesses each turn once, and explains nothing. One goroutine uses it, while the turns stay where they
// are.
type remembering struct {
	Scorer

	known map[*Features]Assessment
}

var _ Scorer = remembering{}

// Assess is that of the scorer.
func (s remembering) Assess(f *Features) Assessment {
	a, known := s.known[f]
	if !known {
		a = s.Scorer.Assess(f)
		s.known[f] = a
	}
	return a
}

// Explain says nothing.
func (remembering) Explain(*Features, bool) (kind string, reasons []string) { return "", nil }
