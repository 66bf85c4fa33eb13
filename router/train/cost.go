package train

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Cost is what a way of choosing between the variants comes to over all outcomes.
type Cost struct {
	Share   float64 // of prompts that were thought about
	Score   float64 // mean score of the answers, 0 to 1
	Tokens  float64 // mean completion tokens of an answer, 0 if not all are known
	Seconds float64 // median time of an answer, 0 if not all are known
}

func costOf(outcomes []*Example, think func(i int) bool) Cost {
	var c Cost
	n := float64(len(outcomes))
	seconds := make([]float64, 0, len(outcomes))
	known := struct{ tokens, seconds bool }{true, true}
	for i, e := range outcomes {
		score, tokens, took := *e.Weak, e.WeakTokens, e.WeakSeconds
		if think(i) {
			c.Share += 1 / n
			score, tokens, took = *e.Strong, e.Tokens, e.StrongSeconds
		}
		c.Score += score / n
		c.Tokens += float64(tokens) / n
		seconds = append(seconds, took)
		known.tokens = known.tokens && e.Tokens > 0 && e.WeakTokens > 0
		known.seconds = known.seconds && e.WeakSeconds > 0 && e.StrongSeconds > 0
	}
	if !known.tokens {
		c.Tokens = 0
	}
	if known.seconds {
		slices.Sort(seconds)
		middle := len(seconds) / 2
		c.Seconds = (seconds[middle] + seconds[(len(seconds)-1)/2]) / 2
	}
	return c
}

// leftOut is an outcome and what weights say of it that were not fitted to it.
type leftOut struct {
	*Example
	said router.Assessment
}

// decide is the daemon's decision with the calibration and price of h.
func (l *leftOut) decide(h *difficulty.Header, quality float64) (router.Decision, error) {
	r, err := router.New(opinion{&difficulty.Model{Header: *h}, l.said}, quality)
	if err != nil {
		return router.Decision{}, fmt.Errorf("calibration: %w", err)
	}
	d, err := r.Decide(&router.Input{
		Facts:    router.Facts{Instruct: true, Thinking: true, Tools: l.Tools, Schema: l.Schema},
		Features: *l.features(),
	})
	if err != nil {
		return router.Decision{}, fmt.Errorf("calibration: %w", err)
	}
	return d, nil
}

var _ router.Scorer = (*opinion)(nil)

// opinion is a router.Scorer with one assessment and a model's prices.
type opinion struct {
	*difficulty.Model
	said router.Assessment
}

func (o opinion) Assess(*router.Features) router.Assessment { return o.said }

func (o opinion) Explain(*router.Features, bool) (kind string, reasons []string) { return "", nil }

// qualities routes the outcomes at each quality.
func (a *Adapted) qualities(left []leftOut, h *difficulty.Header) error {
	outcomes := make([]*Example, len(left))
	for i := range left {
		outcomes[i] = left[i].Example
	}
	think := make([]bool, len(left))
	for q := range a.Qualities {
		for i := range left {
			d, err := left[i].decide(h, float64(q))
			if err != nil {
				return err
			}
			think[i] = d.Variant == router.Thinking
		}
		a.Qualities[q] = costOf(outcomes, func(i int) bool { return think[i] })
	}
	return nil
}

// ReportCosts writes what each quality comes to as Markdown, beside the choices that need no router and the one that
// nobody can make.
func ReportCosts(w io.Writer, a *Adapted) error {
	type row struct {
		name string
		cost *Cost
	}
	rows := []row{{"always instruct", &a.Direct}}
	for q := range a.Qualities {
		rows = append(rows, row{fmt.Sprintf("quality %d", q), &a.Qualities[q]})
	}
	rows = append(rows, row{"always thinking", &a.Always}, row{"oracle", &a.Oracle})
	var out strings.Builder
	out.WriteString("| | thought about | score | of thinking's | tokens | of thinking's | median latency | of thinking's |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		c := r.cost
		fmt.Fprintf(&out, "| %s | %.0f%% | %.3f | %s | %s | %s | %s | %s |\n",
			r.name, 100*c.Share, c.Score, percent(c.Score, a.Always.Score),
			known(c.Tokens, "%.1f"), percent(c.Tokens, a.Always.Tokens), known(c.Seconds, "%.3g s"), percent(c.Seconds, a.Always.Seconds))
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// known formats a measure, if there is one.
func known(v float64, format string) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

func percent(part, whole float64) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*part/whole)
}
