package generation

import (
	"math"

	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/engine"
)

// RoutingSchema is the version of what Routing tells. It grows when a field changes its meaning or goes; new fields
// leave it as it is.
const RoutingSchema = 1

// Routing tells a client who answers and why. It is the same on every surface.
type Routing struct {
	Variant        string   `json:"variant"`
	Source         string   `json:"source"`
	Score          float64  `json:"score"`
	Threshold      float64  `json:"threshold"`
	Reasons        []string `json:"reasons"`
	ThinkingBudget int      `json:"thinking_budget"` // tokens, 0 without thinking
	// MaxTokens is how long the completion may get where more was asked for than the context leaves.
	MaxTokens int `json:"max_tokens,omitempty"`
	// Kind is what the request is about, Version names the router's weights.
	Kind    string `json:"kind"`
	Version string `json:"version"`
	// Schema is RoutingSchema.
	Schema int `json:"schema_version"`
	// Uncertain says that the router could as well have chosen the other variant.
	Uncertain bool `json:"uncertain"`
	// ClosedBy says what ended the think block; it is known at the end only.
	ClosedBy string `json:"closed_by,omitempty"`
	// DiscardedTokens counts those of an answer that was given again; usage does not.
	DiscardedTokens int `json:"discarded_tokens,omitempty"`
	// Images and Videos are what became of those of the request, in their order, once that is known.
	Images []media.Seen      `json:"images,omitempty"`
	Videos []media.SeenVideo `json:"videos,omitempty"`
}

// closedByRepetition stands for an answer that was ended because it only repeated itself.
const closedByRepetition = "repetition"

// Routing describes the decision as it was made, before anything has begun.
func (d *Decided) Routing() *Routing { return d.routing(nil, nil) }

// routing adds what the engine made of the request, and how the answer ended. Both are nil until they are known.
func (d *Decided) routing(start *engine.Start, result *engine.Result) *Routing {
	r := &d.decision
	out := &Routing{
		Variant: string(r.Variant), Source: string(r.Source), Score: rounded(r.Score), Threshold: rounded(r.Threshold), Reasons: r.Reasons,
		ThinkingBudget: r.ThinkingBudget, Kind: r.Kind, Version: d.rules.routerVersion, Schema: RoutingSchema,
		Uncertain: r.Uncertain, DiscardedTokens: d.discarded,
	}
	if out.Reasons == nil {
		out.Reasons = []string{}
	}
	if start != nil {
		out.ThinkingBudget, out.MaxTokens = start.ThinkingBudget, cutTo(d.Request.MaxTokens, start)
		out.Images, out.Videos = d.pixels.became()
	}
	if result != nil {
		out.ClosedBy = result.ThinkingClosedBy
		if result.Repetition {
			out.ClosedBy = closedByRepetition
		}
	}
	return out
}

// cutTo is how long a completion may get where more was asked for, 0 otherwise.
func cutTo(asked *int, start *engine.Start) int {
	if asked == nil || start == nil || start.MaxTokens >= *asked {
		return 0
	}
	return start.MaxTokens
}

// rounded cuts a score to what is worth reading.
func rounded(x float64) float64 { return math.Round(x*1e4) / 1e4 }
