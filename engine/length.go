package engine

import "fmt"

// CountedContexts is up to how many contexts a prompt is counted: beyond, a refusal says only that there are more
// tokens.
const CountedContexts = 2

// TextTokens is up to how many tokens a text may have that is not to be answered.
func (i *Info) TextTokens() int {
	const least = 1 << 16
	return max(least, 4*i.ContextSize)
}

// Exceeds reports whether pieces must have more than limit tokens, as far as their length in bytes shows. It is quick,
// and false for some that do.
func (i *Info) Exceeds(pieces []Piece, limit int) bool {
	if i.TokenBytes <= 0 {
		return false
	}
	size, tokens := 0, 0
	for p := range pieces {
		size += len(pieces[p].Text)
		tokens += len(pieces[p].Tokens)
	}
	return tokens > limit || size/i.TokenBytes > limit-tokens
}

// ContextLengthError refuses a prompt that leaves the context no token for an answer.
type ContextLengthError struct {
	PromptTokens int `json:"prompt_tokens"`
	// More says that PromptTokens is no count: there are more than so many.
	More        bool `json:"more,omitempty"`
	ContextSize int  `json:"context_size"`
	// Told is what is wrong in the words of a server that counted by itself; the numbers are not known then.
	Told string `json:"told,omitempty"`
}

func (e *ContextLengthError) Error() string {
	if e.Told != "" {
		return e.Told
	}
	return fmt.Sprintf("the prompt has %s tokens, but the context holds %d", e.Prompt(), e.ContextSize)
}

// Prompt says in words how many tokens the prompt has.
func (e *ContextLengthError) Prompt() string {
	if e.More {
		return fmt.Sprintf("more than %d", e.PromptTokens)
	}
	return fmt.Sprint(e.PromptTokens)
}
