package api

import (
	"github.com/qwenvld/qwenvld/api/anthropic"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/openai/chat"
	"github.com/qwenvld/qwenvld/api/openai/completions"
	"github.com/qwenvld/qwenvld/api/openai/responses"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/api/request"
)

// Forms of the wire, as tests read them.
type (
	chunk            = chat.Chunk
	completion       = chat.Completion
	wireLogprobs     = chat.Logprobs
	ReasoningField   = chat.ReasoningField
	textCompletion   = completions.Completion
	usage            = wire.Usage
	inputTokens      = wire.InputTokens
	tokenLogprob     = wire.TokenLogprob
	routing          = generation.Routing
	Decider          = generation.Decider
	SecondLook       = generation.SecondLook
	Rerun            = generation.Rerun
	Limits           = request.Limits
	MediaLimits      = media.Limits
	VideoLimits      = media.VideoLimits
	Error            = fault.Error
	responseObject   = responses.Response
	responseEvent    = responses.Event
	inputItems       = responses.InputItems
	anthropicMessage = anthropic.Message
	anthropicEvent   = anthropic.Event
	anthropicError   = anthropic.Error
)

type routeReply struct {
	Routing *routing `json:"routing"`
}
type textLogprobs = completions.Logprobs
