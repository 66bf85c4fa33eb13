package worker

import (
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

// The first tokens of a free answer are taken for a trigger: from there on the answer must be what the form says.
func TestAFormHoldsFromItsTriggerOn(t *testing.T) {
	s := start(t, config("dense-untied"))
	_, reqs := requests(t, "dense-untied", 3)
	tried := 0
	for _, req := range reqs {
		trigger, _, err := s.generate(req)
		if err != nil {
			t.Fatal(err)
		}
		if trigger == "" || strings.Contains(trigger, "<|") || strings.Contains(trigger, "\uFFFD") {
			continue // not text that can be told in a form
		}
		tried++
		formed := *req
		formed.MaxTokens = 60
		const rest = " is the end"
		formed.Constraint = &engine.Constraint{Trigger: trigger, Then: &engine.Constraint{Text: trigger + rest}}
		text, result, err := s.generate(&formed)
		if err != nil {
			t.Fatal(err)
		}
		if text != trigger+rest || result.FinishReason != engine.FinishStop {
			t.Errorf("%q ended by %s, want %q", text, result.FinishReason, trigger+rest)
		}
	}
	if tried == 0 {
		t.Error("no answer could be tried")
	}
}
