package router_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/qwenvld/qwenvld/router"
)

// byLength finds long turns hard, and counts how often it was asked about each.
type byLength struct {
	fixed

	asked map[string]int
}

func (s byLength) Assess(f *router.Features) router.Assessment {
	s.asked[f.Text]++
	gain := float64(len(f.Text)) / 200
	return router.Assessment{Score: gain, Thinking: gain, Tokens: 1000}
}

// Decisions at several qualities are those at each, but for what the prompt is about, and look at each turn once.
func TestDecisionsAtSeveralQualitiesLookAtEachTurnOnce(t *testing.T) {
	turns := []router.Features{{Text: "A question of about thirty bytes."}, {Text: "why?"}, {Text: "Something longer about which one may well think."}}
	for name, in := range map[string]router.Input{
		"one turn":      {Facts: both, Features: turns[2]},
		"history":       {Facts: both, Features: turns[2], History: turns[:2]},
		"what was kept": {Facts: both, Features: turns[1], History: turns[:1], Mode: &router.Mode{Variant: router.Thinking}},
		"a bound": {
			Facts: router.Facts{Instruct: true, Thinking: true, MaxTokens: 9000, Tools: true, Warm: router.Thinking, WarmTokens: 900}, Features: turns[2],
		},
		"one variant": {Facts: router.Facts{Instruct: true}, Features: turns[2]},
	} {
		s := byLength{asked: map[string]int{}}
		r, err := router.New(s, router.DefaultQuality)
		if err != nil {
			t.Fatal(err)
		}
		qualities := []float64{0, 1, 2.5, 5, 8, 9, 10}
		got, err := r.DecideAt(&in, qualities)
		if err != nil || len(got) != len(qualities) {
			t.Fatalf("%s: %d, %v", name, len(got), err)
		}
		for text, n := range s.asked {
			if n != 1 {
				t.Errorf("%s: %q was looked at %d times", name, text, n)
			}
		}
		variants := map[router.Variant]int{}
		for i, q := range qualities {
			at := in
			at.Controls.Quality = &q
			want, err := r.Decide(&at)
			if err != nil {
				t.Fatal(err)
			}
			variants[want.Variant]++
			if diff := cmp.Diff(want, got[i], cmpopts.IgnoreFields(router.Decision{}, "Kind", "Reasons")); diff != "" {
				t.Errorf("%s at %g: %s", name, q, diff)
			}
		}
		if in.Facts.Thinking && in.Mode == nil && len(variants) < 2 {
			t.Errorf("%s: no quality changes anything: %v", name, variants)
		}
		if in.Controls.Quality != nil {
			t.Error("the input was changed")
		}
	}
	r, err := router.New(fixed{}, router.DefaultQuality)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.DecideAt(&router.Input{}, []float64{1}); err == nil {
		t.Error("nothing is loaded")
	}
}
