package remote

import (
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// refuse names the first member of a request that the servers cannot honour, and that cannot be made up for.
func refuse(d *generation.Decided, can *dialect.Capabilities) error {
	req := d.Request
	if err := refuseForm(req.Form, can); err != nil {
		return err
	}
	if begun := req.Prefill(); begun != nil {
		switch {
		case !can.Continues:
			return lacks(begun.Path, "continue an answer that has begun")
		case can.Budget == dialect.BudgetContinued && thinks(d) && begun.Text == "":
			return lacks(begun.Path, "go on from thoughts")
		}
	}
	if req.VisionID && !can.VisionIDs {
		return lacks("chat_template_kwargs.add_vision_id", "number pictures")
	}
	return refuseDrawing(req, can)
}

// lacks refuses the member at path. what follows "cannot".
func lacks(path, what string) error {
	return fault.Field(path, fault.CodeUnsupported, "The servers of this model cannot %s.", what)
}

func refuseForm(f *engine.Constraint, can *dialect.Capabilities) error {
	switch {
	case f == nil:
	case f.Pattern != "" && !can.Patterns:
		return lacks("structured_outputs.regex", "follow patterns")
	case f.Choices != nil && !can.Choices:
		return lacks("structured_outputs.choice", "choose among texts")
	}
	return nil
}

// refuseDrawing looks at what the client asked for itself: defaults are what a server makes of them.
func refuseDrawing(req *request.Request, can *dialect.Capabilities) error {
	s := &req.Sampling
	switch {
	case s.TopK != nil && *s.TopK > 1 && !can.TopK:
		return lacks("top_k", "draw by top_k")
	case s.MinP != nil && *s.MinP > 0 && !can.MinP:
		return lacks("min_p", "draw by min_p")
	case s.RepetitionPenalty != nil && *s.RepetitionPenalty != 1 && !can.RepetitionPenalty:
		return lacks("repetition_penalty", "draw by repetition_penalty")
	case len(s.LogitBias) > 0 && !can.LogitBias:
		return lacks("logit_bias", "bias tokens")
	case req.CacheSalt != "" && !can.Salts:
		return lacks("cache_salt", "keep caches apart")
	}
	return nil
}

func refuseText(d *generation.Decided, prompts []generation.TextPrompt, can *dialect.Capabilities) error {
	if !can.Texts {
		return lacks("prompt", "continue texts; ask for chat completions")
	}
	for i := range prompts {
		if prompts[i].Tokens != nil && !can.TokenPrompts {
			return lacks("prompt", "take tokens")
		}
	}
	if err := refuseForm(d.Request.Constraint, can); err != nil {
		return err
	}
	return refuseDrawing(d.Request, can)
}

// thinks says whether the weights that answer think.
func thinks(d *generation.Decided) bool { return d.Variant() == thinking }
