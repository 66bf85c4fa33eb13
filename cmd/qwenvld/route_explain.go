package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/router"
)

// explainRoute writes what each feature of a question weighs, the weightiest first.
func explainRoute(w io.Writer, c *config.Config, text string, o *routeOptions) error {
	_, m, err := newRouter(&c.Router, calibratedWeights(c))
	if err != nil {
		return err
	}
	f := &router.Features{Text: text, Images: len(o.files) + len(o.videos) + o.images}
	a := m.Assess(f)
	features, bias := m.Contributions(f)
	var b strings.Builder
	fmt.Fprintf(&b, "\nWith instruct %.3f of answers to such questions are right, with thinking %.3f. "+
		"At quality %g the gain of %+.3f has to exceed %.3f.\n\n",
		a.Instruct, a.Thinking, c.Router.Quality, a.Thinking-a.Instruct, m.Price(a.Tokens, c.Router.Quality))
	b.WriteString("thinking  where     feature\n")
	fmt.Fprintf(&b, "%+8.3f            %s\n", bias.Gain(), bias.Feature)
	for i := range features {
		fmt.Fprintf(&b, "%+8.3f  %-8s  %s\n", features[i].Gain(), features[i].Block, features[i].Feature)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("explain the decision: %w", err)
	}
	return nil
}
