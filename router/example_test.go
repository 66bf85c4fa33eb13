package router_test

import (
	"fmt"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// A request that names no variant is decided by the prompt.
func ExampleRouter_Decide() {
	scorer, err := difficulty.Default()
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := router.New(scorer, router.DefaultQuality)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, prompt := range []string{
		"What colour is the car?",
		"Prove that the sum of two odd squares is never a square.",
		"Describe the picture step by step.",
	} {
		d, err := r.Decide(&router.Input{
			Facts:    router.Facts{Instruct: true, Thinking: true, ContextSize: 16384},
			Features: router.Features{Text: prompt},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s, by %s\n", d.Variant, d.Source)
	}
	// Output:
	// instruct, by router
	// thinking, by router
	// thinking, by phrase
}

// What a client asks for counts before the prompt, and the strongest control before the others.
func ExampleRouter_Decide_controls() {
	r, err := router.New(fixed{score: 0.9, budget: 1024}, router.DefaultQuality)
	if err != nil {
		fmt.Println(err)
		return
	}
	think := false
	d, err := r.Decide(&router.Input{
		Controls: router.Controls{Effort: router.EffortLow, EnableThinking: &think},
		Facts:    router.Facts{Instruct: true, Thinking: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Variant, d.ThinkingBudget, d.Reasons)
	// Output: thinking 1024 [reasoning_effort overridden: enable_thinking]
}

// Where the weights that are wanted are not loaded, the others answer, and the reasons say so.
func ExampleRouter_Decide_unavailable() {
	r, err := router.New(fixed{score: 0.9, budget: 1024}, router.DefaultQuality)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := r.Decide(&router.Input{Facts: router.Facts{Instruct: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Variant, d.Reasons[0])
	// Output: instruct unavailable: thinking
}
