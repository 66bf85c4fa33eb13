package dialect

import "github.com/qwenvld/qwenvld/engine"

// closingWords are what llama-server is told to end thoughts with at their bound: Qwen's own. Without a word a model
// goes on thinking in its answer.
const closingWords = "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n"

// llamaServer is llama.cpp's server.
func llamaServer() *Dialect {
	return &Dialect{
		Kind: LlamaServer,
		Can: Capabilities{
			Budget: BudgetOwn, Continues: true, Echoes: true, Tokenizes: true, Texts: true, TokenPrompts: true, Pieces: true,
			Enforces: true, Parses: true, Choices: true, TopK: true, MinP: true, RepetitionPenalty: true, LogitBias: true,
		},
		Paths:    Paths{Health: "/health", Models: "/v1/models", Tokenize: "/tokenize", Detokenize: "/detokenize"},
		thoughts: "reasoning_content",
		extend: func(b body, c *Chat) {
			llamaCommon(b, &c.Sampling, c.Form)
			b["reasoning_format"] = "deepseek"
			if c.Thinks { // 0 is no bound there
				b["reasoning_budget_tokens"], b["reasoning_budget_message"] = max(c.Budget, 1), closingWords
			}
		},
		continued: func(body, *Chat) {}, // an assistant message at the end is gone on from
		text: func(b body, t *Text) {
			llamaCommon(b, &t.Sampling, t.Form)
			if t.Form != nil {
				switch {
				case t.Form.Object:
					b["json_schema"] = body{"type": "object"}
				case t.Form.Schema != nil:
					b["json_schema"] = t.Form.Schema
				}
			}
		},
	}
}

func llamaCommon(b body, s *engine.Sampling, f *engine.Constraint) {
	drawing(b, s, "repeat_penalty")
	b["timings_per_token"] = true
	if s.TopK == 0 {
		b["top_k"] = 0 // its default is 40
	}
	if s.MinP == 0 {
		b["min_p"] = 0 // its default is 0.05
	}
	if s.TopP == 0 || s.TopP == 1 {
		b["top_p"] = 1 // its default is 0.95
	}
	if s.Seed != nil {
		b["seed"] = uint32(*s.Seed) // it draws by 32 bits
	}
	if f != nil && f.Choices != nil {
		b["grammar"] = grammar(f.Choices)
	}
}
