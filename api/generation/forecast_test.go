package generation

import (
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

func TestForecastsFollowThePaceOfTheLastAnswers(t *testing.T) {
	var p paces
	if got := p.forecast(router.Thinking, 100); got.Tokens != 100 || got.Seconds != 0 {
		t.Errorf("before any answer: %+v", got)
	}
	answer := &engine.Usage{CompletionTokens: 51, ReasoningTokens: 41} // ten of the answer
	p.note(router.Thinking, time.Second, 6*time.Second, answer)
	if got := p.forecast(router.Thinking, 100); got.Tokens != 110 || got.Seconds != 12 {
		t.Errorf("at ten tokens a second: %+v", got)
	}
	for range 50 { // it has become twice as fast
		p.note(router.Thinking, time.Second, 3500*time.Millisecond, answer)
	}
	if got := p.forecast(router.Thinking, 100); got.Seconds < 6 || got.Seconds > 7 {
		t.Errorf("at twenty tokens a second: %+v", got)
	}
	if got := p.forecast(router.Instruct, 0); *got != (CostForecast{}) {
		t.Errorf("nothing is known of instruct: %+v", got)
	}
	p.note(router.Instruct, 0, time.Second, answer)                                         // no first token
	p.note(router.Instruct, time.Second, 2*time.Second, &engine.Usage{CompletionTokens: 1}) // no pace
	if got := p.forecast(router.Instruct, 0); *got != (CostForecast{}) {
		t.Errorf("nothing can be told of these: %+v", got)
	}
}
