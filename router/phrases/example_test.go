package phrases_test

import (
	"fmt"

	"github.com/qwenvld/qwenvld/router/phrases"
)

func ExampleFind() {
	for _, text := range []string{
		"How many apples are there? Think step by step.",
		"What is this? /no_think",
		"Write a step-by-step guide to baking bread.",
	} {
		p, ok := phrases.Find(text)
		fmt.Printf("%t %q %t\n", ok, p.Text, p.Think)
	}
	// Output:
	// true "step by step" true
	// true "/no_think" false
	// false "" false
}
