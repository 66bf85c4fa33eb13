package dialect

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is a kind of server.
type Kind string

// The kinds of servers.
const (
	VLLM        Kind = "vllm"
	SGLang      Kind = "sglang"
	LlamaServer Kind = "llama-server"
	Ollama      Kind = "ollama"
	Qwenvld     Kind = "qwenvld"
	// OpenAI is any other server that speaks chat completions.
	OpenAI Kind = "openai"
)

// Budget is how a kind's thinking is bounded.
type Budget string

// Ways to bound thinking.
const (
	// BudgetOwn is a bound that the server takes with the request.
	BudgetOwn Budget = "own"
	// BudgetContinued is kept by counting: at the bound the stream is ended, and the server continues an answer that
	// begins with the thoughts so far.
	BudgetContinued Budget = "continued"
	// BudgetAsked is kept by counting where the server continues nothing: it is asked again, with the thoughts so far
	// shown to it.
	BudgetAsked Budget = "asked"
)

// Capabilities are what a kind can do.
type Capabilities struct {
	Budget Budget
	// Continues says that the answer can go on from a beginning that the request has, Echoes that it then comes with
	// that beginning.
	Continues, Echoes bool
	// Tokenizes says that it gives the tokens of a text, Texts that it continues texts without a chat template, and
	// TokenPrompts that such a text may come as tokens.
	Tokenizes, Texts, TokenPrompts bool
	// Pieces says that the bytes of a text's tokens come with them.
	Pieces bool
	// Enforces says that forms of answers and choices of tools bind the model; otherwise they are requests to it.
	// Verifies says that the server looks at its answers by itself, so that nobody else has to.
	Enforces, Verifies bool
	// Parses says that thoughts always come apart from the text; otherwise it depends on how the server was started.
	Parses bool
	// Patterns and Choices are forms beside JSON.
	Patterns, Choices bool
	// TopK, MinP, RepetitionPenalty and LogitBias are how tokens may be drawn beside OpenAI's and Ollama's common ways.
	TopK, MinP, RepetitionPenalty, LogitBias bool
	// Videos says that it takes videos as qwenvld does: with what is shown of them as options.
	Videos bool
	// Salts keeps what is computed of prompts apart.
	Salts bool
	// VisionIDs numbers pictures in the prompt.
	VisionIDs bool
}

// Common is what all of them can do.
func Common(all ...Capabilities) Capabilities {
	c := all[0]
	for _, o := range all[1:] {
		if o.Budget != c.Budget {
			c.Budget = BudgetAsked
		}
		for _, b := range [][2]*bool{
			{&c.Continues, &o.Continues},
			{&c.Echoes, &o.Echoes},
			{&c.Tokenizes, &o.Tokenizes},
			{&c.Texts, &o.Texts},
			{&c.TokenPrompts, &o.TokenPrompts},
			{&c.Pieces, &o.Pieces},
			{&c.Enforces, &o.Enforces},
			{&c.Verifies, &o.Verifies},
			{&c.Parses, &o.Parses},
			{&c.Patterns, &o.Patterns},
			{&c.Choices, &o.Choices},
			{&c.TopK, &o.TopK},
			{&c.MinP, &o.MinP},
			{&c.RepetitionPenalty, &o.RepetitionPenalty},
			{&c.LogitBias, &o.LogitBias},
			{&c.Videos, &o.Videos},
			{&c.Salts, &o.Salts},
			{&c.VisionIDs, &o.VisionIDs},
		} {
			*b[0] = *b[0] && *b[1]
		}
	}
	return c
}

// Paths are where a kind is asked. An empty one says that it cannot be.
type Paths struct {
	Health, Models, Tokenize, Detokenize string
	// AnswerNow ends the thoughts of the answer whose id stands in place of {id}.
	AnswerNow string
}

// Dialect is how one kind of server is spoken to. It does not change.
type Dialect struct {
	Kind  Kind
	Can   Capabilities
	Paths Paths
	// extend adds what the kind wants to the body of a chat, continued what it wants of an answer that has begun.
	extend    func(b body, c *Chat)
	continued func(b body, c *Chat)
	// text adds what the kind wants to the body of a text that is continued.
	text func(b body, t *Text)
	// thoughts is the member of messages that holds what was thought before.
	thoughts string
}

// Kinds lists all kinds.
func Kinds() []Kind { return []Kind{VLLM, SGLang, LlamaServer, Ollama, Qwenvld, OpenAI} }

// For gives the dialect of a kind.
func For(k Kind) (*Dialect, error) {
	for _, d := range []func() *Dialect{vllm, sglang, llamaServer, ollama, qwenvld, openAI} {
		if d := d(); d.Kind == k {
			return d, nil
		}
	}
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	slices.Sort(names)
	return nil, fmt.Errorf("kind %q is none of %s", k, strings.Join(names, ", "))
}
