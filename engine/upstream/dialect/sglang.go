package dialect

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
)

// sglang is SGLang's server. Its thinking budget needs a logit processor that the server was started with, so thoughts
// are counted here.
func sglang() *Dialect {
	return &Dialect{
		Kind: SGLang,
		Can: Capabilities{
			Budget: BudgetContinued, Continues: true, Tokenizes: true, Texts: true, TokenPrompts: true, Enforces: true,
			Patterns: true, Choices: true, TopK: true, MinP: true, RepetitionPenalty: true, LogitBias: true, Salts: true,
			VisionIDs: true,
		},
		Paths:    Paths{Health: "/health", Models: "/v1/models", Tokenize: "/tokenize", Detokenize: "/detokenize"},
		thoughts: "reasoning_content",
		extend: func(b body, c *Chat) {
			runningUsage(b)
			sglangCommon(b, c.ID, &c.Sampling, c.Form, c.CacheSalt)
			b["separate_reasoning"], b["stream_reasoning"] = true, true
			if c.VisionID {
				b["chat_template_kwargs"] = body{"add_vision_id": true}
			}
		},
		continued: func(b body, c *Chat) {
			continueFinal(b, c)
			delete(b, "add_generation_prompt") // which follows from the other here
		},
		text: func(b body, t *Text) {
			runningUsage(b)
			sglangCommon(b, t.ID, &t.Sampling, t.Form, t.CacheSalt)
			if t.MaxTokens == 0 {
				b["max_tokens"] = sglangLongest // its default is 16
			}
			switch f := t.Form; {
			case f == nil:
			case f.Object:
				b["json_schema"] = `{"type": "object"}`
			case f.Schema != nil:
				b["json_schema"] = string(f.Schema)
			}
		},
	}
}

// sglangLongest is cut by the server to what its context leaves.
const sglangLongest = 1 << 20

func sglangCommon(b body, id string, s *engine.Sampling, f *engine.Constraint, salt string) {
	drawing(b, s, "repetition_penalty")
	b["rid"] = id
	if salt != "" {
		b["cache_salt"] = salt
	}
	switch {
	case f == nil:
	case f.Pattern != "":
		b["regex"] = f.Pattern
	case f.Choices != nil:
		b["regex"] = alternatives(f.Choices)
	}
}

// alternatives is a pattern of which each of the texts is a match.
func alternatives(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = regexp.QuoteMeta(t)
	}
	return "(" + strings.Join(quoted, "|") + ")"
}

// grammar is llama.cpp's grammar of which each of the texts is a match.
func grammar(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		literal, _ := json.Marshal(t) // a text is always written
		quoted[i] = string(literal)
	}
	return "root ::= " + strings.Join(quoted, " | ")
}
