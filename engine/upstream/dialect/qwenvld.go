package dialect

import "github.com/qwenvld/qwenvld/engine"

// qwenvld is another daemon of this kind, which takes all that this one does.
func qwenvld() *Dialect {
	return &Dialect{
		Kind: Qwenvld,
		Can: Capabilities{
			Budget: BudgetOwn, Continues: true, Tokenizes: true, Texts: true, TokenPrompts: true, Pieces: true, Enforces: true,
			Verifies: true, Parses: true, Patterns: true, Choices: true, TopK: true, MinP: true, RepetitionPenalty: true, LogitBias: true,
			Videos: true, Salts: true, VisionIDs: true,
		},
		Paths: Paths{
			Health: "/health/ready", Models: "/v1/models", Tokenize: "/tokenize", Detokenize: "/detokenize",
			AnswerNow: "/v1/chat/completions/{id}/answer_now",
		},
		thoughts: "reasoning_content",
		extend: func(b body, c *Chat) {
			qwenvldCommon(b, &c.Sampling, c.Form, c.CacheSalt, c.MayRepeat)
			tier(b, c.Tier)
			if c.Thinks {
				b["thinking_budget"] = c.Budget
				if c.MaxTokens > 1 { // one that leaves nothing for the answer is refused; less than that it bounds by itself
					b["thinking_budget"] = min(c.Budget, c.MaxTokens-1)
				}
			}
			smallPictures(b, c)
			prediction(b, c)
			if c.VisionID {
				b["chat_template_kwargs"] = body{"add_vision_id": true}
			}
			if !c.Begun && len(c.Messages) > 0 && c.Messages[len(c.Messages)-1].Role == "assistant" {
				b["add_generation_prompt"] = true
			}
		},
		continued: func(body, *Chat) {}, // an assistant message at the end is gone on from
		text: func(b body, t *Text) {
			qwenvldCommon(b, &t.Sampling, t.Form, t.CacheSalt, t.MayRepeat)
			tier(b, t.Tier)
			if f := t.Form; f != nil {
				switch {
				case f.Object:
					b["response_format"] = body{"type": "json_object"}
				case f.Schema != nil:
					b["structured_outputs"] = body{"json": f.Schema}
				}
			}
		},
	}
}

func qwenvldCommon(b body, s *engine.Sampling, f *engine.Constraint, salt string, mayRepeat bool) {
	runningUsage(b)
	drawing(b, s, "repetition_penalty")
	b["repetition_detection"] = !mayRepeat
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

func tier(b body, name string) {
	if name != "" {
		b["service_tier"] = name
	}
}

// video is a video part.
func video(v *Video) body {
	b := body{"type": "video_url", "video_url": body{"url": v.URL}}
	if v.Frames != nil {
		b = body{"type": "video", "video": v.Frames}
	}
	for name, value := range v.Options {
		b[name] = value
	}
	return b
}
