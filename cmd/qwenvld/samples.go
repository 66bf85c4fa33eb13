package main

import (
	"encoding/json"
	"fmt"

	"github.com/qwenvld/qwenvld"
	"github.com/qwenvld/qwenvld/internal/demopair"
)

// sample is a question that the playground offers.
type sample struct {
	Skill   string          `json:"skill"`
	Title   string          `json:"title"`
	Answer  string          `json:"answer"`
	Request json.RawMessage `json:"request"` // a body of /v1/chat/completions
}

// demoSamples are what the built-in pair can be asked, as JSON for the playground.
func demoSamples() ([]byte, error) {
	examples, err := demopair.Examples()
	if err != nil {
		return nil, err
	}
	samples := make([]sample, len(examples))
	for i := range examples {
		e := &examples[i]
		body, err := qwenvld.Examples.ReadFile("examples/" + e.Skill + ".json")
		if err != nil {
			return nil, fmt.Errorf("samples of the playground: %w", err)
		}
		samples[i] = sample{Skill: e.Skill, Title: e.Title, Answer: e.Answer, Request: body}
	}
	return json.Marshal(samples)
}
