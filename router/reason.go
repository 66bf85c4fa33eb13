package router

import (
	"slices"
	"strings"
)

// The policy's own reasons. Those that end in a colon go on with a word of their own.
const (
	reasonAskedFor     = "asked for: "
	reasonOverridden   = "overridden: "
	reasonUnavailable  = "unavailable: "
	reasonNotLoaded    = "not loaded: "
	reasonLoading      = "thinking weights would have to be loaded"
	reasonMaxTokens    = "max_tokens too small to think" //nolint:gosec // no credential
	reasonTools        = "tools: thinking gains less"
	reasonSchema       = "a JSON form: thinking gains less"
	reasonFollowUp     = "a follow-up in a thinking conversation"
	reasonConversation = "the conversation is a thinking one"
)

// ReasonClass is what a reason is about, without the words of the request that the reason itself may quote.
type ReasonClass string

// Classes of reasons.
const (
	ClassControl      ReasonClass = "control"      // the request names the variant or the effort
	ClassPhrase       ReasonClass = "phrase"       // the user asks for it in words
	ClassOverridden   ReasonClass = "overridden"   // another control said otherwise and was weaker
	ClassUnavailable  ReasonClass = "unavailable"  // the wanted weights are not loaded
	ClassLoading      ReasonClass = "loading"      // weights would have to be loaded
	ClassMaxTokens    ReasonClass = "max_tokens"   // too few tokens to think in
	ClassTools        ReasonClass = "tools"        // tools make thinking dearer
	ClassForm         ReasonClass = "form"         // a JSON form makes thinking dearer
	ClassFollowUp     ReasonClass = "follow_up"    // too short a turn to stand for itself
	ClassConversation ReasonClass = "conversation" // the conversation goes on thinking
	ClassPrompt       ReasonClass = "prompt"       // what the scorer found in the prompt
)

// ReasonClasses lists all of them.
func ReasonClasses() []ReasonClass {
	return []ReasonClass{
		ClassControl, ClassPhrase, ClassOverridden, ClassUnavailable, ClassLoading, ClassMaxTokens, ClassTools, ClassForm, ClassFollowUp,
		ClassConversation, ClassPrompt,
	}
}

// Classes are those of the decision's reasons, each once. What is not the policy's is the scorer's.
func (d *Decision) Classes() []ReasonClass {
	var out []ReasonClass
	for _, r := range d.Reasons {
		if c := d.classOf(r); !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

func (d *Decision) classOf(reason string) ReasonClass {
	switch reason {
	case string(d.Source):
		return ClassControl
	case reasonMaxTokens:
		return ClassMaxTokens
	case reasonLoading:
		return ClassLoading
	case reasonTools:
		return ClassTools
	case reasonSchema:
		return ClassForm
	case reasonFollowUp:
		return ClassFollowUp
	case reasonConversation:
		return ClassConversation
	}
	switch {
	case strings.HasPrefix(reason, reasonAskedFor):
		return ClassPhrase
	case strings.HasPrefix(reason, reasonOverridden):
		return ClassOverridden
	case strings.HasPrefix(reason, reasonNotLoaded):
		return ClassLoading
	case strings.HasPrefix(reason, reasonUnavailable):
		return ClassUnavailable
	}
	return ClassPrompt
}
