package escalation_test

import (
	"fmt"
	"math"

	"github.com/qwenvld/qwenvld/router/escalation"
)

// The first token of an answer to a question with options: two of them are likely.
func ExampleThresholds_Uncertainty() {
	candidates := []escalation.Candidate{
		{Text: "A", Logprob: math.Log(0.5)},
		{Text: "C", Logprob: math.Log(0.4)},
		{Text: "B", Logprob: math.Log(0.1)},
	}
	first := []escalation.TokenStats{escalation.StatsOf(candidates, true)}
	fmt.Println(escalation.Thresholds{Tokens: 1, Margin: 0.3, Entropy: 0.5}.Uncertainty(first))
	fmt.Println(escalation.SettlesOnOption(first))
	// Output:
	// 2 options are likely
	// false
}

func ExampleReviewer_Review() {
	r := escalation.NewReviewer(escalation.Causes())
	fmt.Printf("%q\n", r.Review(&escalation.Answer{Text: "42", MeanLogprob: -0.1}))
	fmt.Printf("%q\n", r.Review(&escalation.Answer{Text: "It is because", Truncated: true, MeanLogprob: math.NaN()}))
	// Output:
	// ""
	// "length"
}

// A quarter of the requests is let through, and the first one.
func ExampleQuota() {
	q := escalation.NewQuota(0.25)
	taken := 0
	for range 100 {
		q.Accrue()
		if q.Take() {
			taken++
		}
	}
	fmt.Println(taken)
	// Output: 26
}
