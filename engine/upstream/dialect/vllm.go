package dialect

import "github.com/qwenvld/qwenvld/engine"

// vllm is vLLM's server. Its thinking_token_budget is left alone: whether it is taken depends on the version and on how
// the server was started, while counting works with all of them.
func vllm() *Dialect {
	return &Dialect{
		Kind: VLLM,
		Can: Capabilities{
			Budget: BudgetContinued, Continues: true, Tokenizes: true, Texts: true, TokenPrompts: true, Pieces: true, Enforces: true,
			Patterns: true, Choices: true, TopK: true, MinP: true, RepetitionPenalty: true, LogitBias: true, Salts: true,
			VisionIDs: true,
		},
		Paths:    Paths{Health: "/health", Models: "/v1/models", Tokenize: "/tokenize", Detokenize: "/detokenize"},
		thoughts: "reasoning",
		extend: func(b body, c *Chat) {
			runningUsage(b)
			vllmCommon(b, c.ID, &c.Sampling, c.Form, c.CacheSalt)
			smallPictures(b, c)
			if c.VisionID {
				b["chat_template_kwargs"] = body{"add_vision_id": true}
			}
		},
		continued: func(b body, c *Chat) {
			continueFinal(b, c)
			notAgain(b, c)
		},
		text: func(b body, t *Text) {
			runningUsage(b)
			vllmCommon(b, t.ID, &t.Sampling, t.Form, t.CacheSalt)
			// Texts are continued as they are: a client's token for the end of a message is a token here, too.
			b["add_special_tokens"] = false
			switch f := t.Form; {
			case f == nil:
			case f.Object:
				b["response_format"] = body{"type": "json_object"}
			case f.Schema != nil:
				b["structured_outputs"] = body{"json": f.Schema}
			}
		},
	}
}

func vllmCommon(b body, id string, s *engine.Sampling, f *engine.Constraint, salt string) {
	drawing(b, s, "repetition_penalty")
	b["request_id"] = id
	if salt != "" {
		b["cache_salt"] = salt
	}
	switch {
	case f == nil:
	case f.Pattern != "":
		b["structured_outputs"] = body{"regex": f.Pattern}
	case f.Choices != nil:
		b["structured_outputs"] = body{"choice": f.Choices}
	}
}

func smallPictures(b body, c *Chat) {
	if c.MinPixels > 0 {
		b["mm_processor_kwargs"] = body{"min_pixels": c.MinPixels}
	}
}

// continueFinal is how vLLM and SGLang go on from the last message. Qwen's thinking template shows thoughts of the last
// message only where they stand in its content, between their tags.
func continueFinal(b body, c *Chat) {
	b["continue_final_message"], b["add_generation_prompt"] = true, false
	messages := b["messages"].([]body)
	messages[len(messages)-1] = body{"role": "assistant", "content": begun(&c.Messages[len(c.Messages)-1], c.Thinks)}
}

// notAgain keeps a model whose thoughts were cut short from closing them a second time.
func notAgain(b body, c *Chat) {
	if c.Thinks {
		b["bad_words"] = []string{"</think>"}
	}
}

// begun is the beginning of an answer as one text, with the thoughts of weights that think between their tags.
func begun(m *Message, thinks bool) string {
	text := ""
	for _, p := range m.Parts {
		text += p.Text
	}
	if !thinks {
		return text
	}
	thoughts := ""
	if m.Thoughts != nil {
		thoughts = *m.Thoughts
	}
	out := "<think>\n" + thoughts + "\n</think>"
	if text != "" {
		out += "\n\n" + text
	}
	return out
}
