package worker

import (
	"errors"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

var thinking = engine.Thinking{
	Open: true, CloseText: "\nEnough.\n</think>\n\n", EmptyText: "\n</think>\n\n", EndTag: "</think>",
}

// A completion too short for a think block gets an empty one, so that what there is of it is an answer.
func TestThinkingLeavesRoomForTheAnswer(t *testing.T) {
	s := start(t, config("dense-untied"))
	for _, maxTokens := range []int{1, 8, 60, 150} {
		_, result, err := s.generate(&engine.Request{
			Prompt: []engine.Piece{{Kind: engine.PieceControl, Text: "<|im_start|>assistant\n<think>\n"}}, MaxTokens: maxTokens,
			Thinking: thinking,
		})
		if err != nil {
			t.Fatal(err)
		}
		u := result.Usage
		if answer := u.CompletionTokens - u.ReasoningTokens; result.FinishReason == engine.FinishLength && answer < min(maxTokens, minReserve) {
			t.Errorf("max_tokens %d: %+v leaves %d for the answer", maxTokens, u, answer)
		}
	}
}

func TestTheEngineSaysWhetherAnAnswerBeginsInsideItsThinkBlock(t *testing.T) {
	s := start(t, config("dense-untied"))
	prompt := []engine.Piece{{Kind: engine.PieceControl, Text: "<|im_start|>assistant\n<think>\n"}}
	filler := engine.Piece{Kind: engine.PieceText, Text: strings.Repeat("a ", 225)}
	empty, closed, budget := thinking, thinking, thinking
	empty.Empty, closed.Open, closed.Closed, budget.Budget = true, false, true, 9
	for name, c := range map[string]struct {
		prompt    []engine.Piece
		maxTokens int
		thinking  engine.Thinking
		open      bool
		budget    int
	}{
		"room enough":        {prompt, 200, thinking, true, 0},
		"a budget":           {prompt, 200, budget, true, 9},
		"a short completion": {prompt, 20, thinking, false, 0},
		"a full context":     {append([]engine.Piece{filler}, prompt...), 0, thinking, false, 0},
		"no thoughts":        {prompt, 200, empty, false, 0},
		"closed before":      {prompt, 200, closed, false, 0},
		"no block":           {prompt, 200, engine.Thinking{}, false, 0},
	} {
		first, _, result, err := s.answer(&engine.Request{Prompt: c.prompt, MaxTokens: c.maxTokens, Thinking: c.thinking})
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case first == nil:
			t.Errorf("%s: nothing was said", name)
		case first.ThinkOpen != c.open, c.budget > 0 && first.ThinkingBudget != c.budget, (first.ThinkingBudget > 0) != c.open:
			t.Errorf("%s: %+v", name, first)
		case !c.open && result.Usage.ReasoningTokens > 0, first.Usage.PromptTokens != result.Usage.PromptTokens:
			t.Errorf("%s: %+v, then %+v", name, first, result)
		}
	}
}

func TestMoreThanFitsIsCutToTheRoom(t *testing.T) {
	s := start(t, config("dense-tied"))
	text := []engine.Piece{{Kind: engine.PieceText, Text: "hello"}}
	for asked, want := range map[int]int{3: 3, 0: -1, 256: -1, 1_000_000: -1} {
		first, _, result, err := s.answer(&engine.Request{Prompt: text, MaxTokens: asked})
		if err != nil {
			t.Errorf("max_tokens %d: %v", asked, err)
			continue
		}
		if want < 0 {
			want = 256 - first.Usage.PromptTokens
		}
		if u := result.Usage; first.MaxTokens != want || result.FinishReason == engine.FinishLength && u.CompletionTokens != want {
			t.Errorf("max_tokens %d: %+v, then %+v", asked, first, result)
		}
	}
	var length *engine.ContextLengthError
	long := []engine.Piece{{Kind: engine.PieceText, Text: strings.Repeat("a b ", 500)}}
	if _, _, _, err := s.answer(&engine.Request{Prompt: long, MaxTokens: 1}); !errors.As(err, &length) {
		t.Errorf("a prompt that does not fit: %v", err)
	}
}

// A model that was made to answer at once would like to close its block again.
func TestABlockThatTheModelDidNotCloseIsNotClosedInTheAnswer(t *testing.T) {
	s := start(t, config("dense-untied"))
	const tag = "</think>"
	eager := map[int32]float64{}
	tokens := s.tokenize(t, engine.Piece{Kind: engine.PieceControl, Text: tag})
	tokens = append(tokens, s.tokenize(t, engine.Piece{Kind: engine.PieceText, Text: tag})...)
	for _, id := range tokens {
		eager[id] = 60
	}
	prompt := []engine.Piece{{Kind: engine.PieceControl, Text: "<|im_start|>assistant\n<think>\n"}}
	empty, closed, budget := thinking, thinking, thinking
	empty.Empty, closed.Open, closed.Closed, budget.Budget = true, false, true, 1
	for name, c := range map[string]struct {
		thinking  engine.Thinking
		maxTokens int
		want      int // how often the tag stands in the text
	}{
		"no thoughts":   {empty, 100, 0},
		"closed before": {closed, 100, 0},
		"no room":       {thinking, 20, 0},
		"by the budget": {budget, 150, 1},
	} {
		seed := uint64(1)
		_, text, _, err := s.answer(&engine.Request{
			Prompt: prompt, MaxTokens: c.maxTokens, Thinking: c.thinking,
			Sampling: engine.Sampling{Temperature: 1, LogitBias: eager, Seed: &seed},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(text, tag); got != c.want && name != "by the budget" || got > 1 {
			t.Errorf("%s: %q has the tag %d times", name, text, got)
		}
	}
}

// The models' generation configurations name two tokens that end an answer; llama.cpp adds those that stand between files.
func TestAnswersEndWhereTheModelsSayOnly(t *testing.T) {
	s := start(t, config("dense-tied"))
	prompt := []engine.Piece{{Kind: engine.PieceText, Text: "hello"}}
	for text, ends := range map[string]bool{
		"<|im_end|>": true, "<|endoftext|>": true, "<|fim_pad|>": false, "<|repo_name|>": false, "<|file_sep|>": false,
	} {
		ids := s.tokenize(t, engine.Piece{Kind: engine.PieceControl, Text: text})
		if len(ids) != 1 {
			t.Fatalf("%s is %v", text, ids)
		}
		_, result, err := s.generate(&engine.Request{
			Prompt: prompt, MaxTokens: 5, Sampling: engine.Sampling{LogitBias: map[int32]float64{ids[0]: 1000}},
		})
		if err != nil || (result.FinishReason == engine.FinishStop) != ends {
			t.Errorf("%s: %+v, %v", text, result, err)
		}
	}
}
