package request

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Request is a decoded and checked request for an answer to a conversation, whichever surface it came through. Pointers
// are nil where the client said nothing.
type Request struct {
	Model    string
	Messages []Message
	// PromptParam is the member of the body that carries the prompt, for errors about it.
	PromptParam string
	// Images and Videos are those that the parts of messages show, each at its own Index; VideoDefaults is what is said
	// of all videos.
	Images        []*Image
	Videos        []*Video
	VideoDefaults VideoOptions
	// MinPixels and MaxPixels narrow every image's area, in pixels, and by way of VideoDefaults that of every frame.
	MinPixels, MaxPixels *int

	// Tools hold each tool object as the client wrote it, since key order reaches the prompt. ToolsOff keeps them out
	// of the prompt.
	Tools    []json.RawMessage
	ToolsOff bool
	// Callable names the tools that may be called; Skipped the kinds of those that this server does not have.
	Callable, Skipped []string
	// Constraint is what the answer must look like, nil for free text. FreeText says that it bounds no more than the
	// calls in free text; Loose that not all of its schema is enforced.
	Constraint      *engine.Constraint
	FreeText, Loose bool

	// Grounding says that the answer points at things in a picture, and the client wants to know where in pixels.
	Grounding bool

	// Form is what the answer must look like where it is no call, and Choice how tools may be called. Engines have both
	// in Constraint.
	Form   *engine.Constraint
	Choice Choice

	// MaxTokens bounds the answer, thoughts included, in tokens.
	MaxTokens *int
	Sampling  Sampling
	Stop      []string
	// Choices is how many answers are wanted, 0 where the client said nothing.
	Choices     int
	Logprobs    bool
	TopLogprobs int
	// MayRepeat lets an answer go on that only repeats itself.
	MayRepeat bool
	// KeepAlive is how long the weights stay loaded afterwards while nobody uses them; negative is for ever.
	KeepAlive *time.Duration
	// CacheSalt keeps what is computed of the prompt to requests with the same one.
	CacheSalt string
	// Prediction is text that the answer is expected to have much of.
	Prediction string
	// Tier says how urgent the answer is beside others.
	Tier Tier
	// CacheKey is a hint of which requests have the beginnings of their prompts in common.
	CacheKey string

	Stream       bool
	IncludeUsage bool
	// RunningUsage puts the usage so far into each event of a stream.
	RunningUsage bool
	// MergeReasoning puts reasoning into the content, in think tags. HideReasoning keeps it back; it is counted all the
	// same.
	MergeReasoning, HideReasoning bool
	// VisionID numbers the pictures and videos in the prompt.
	VisionID bool
	// NewTurn lets an assistant message at the end stand, instead of going on from it.
	NewTurn bool

	Controls router.Controls
}

// Tier is how urgent an answer is.
type Tier string

// Tiers, in OpenAI's words; whatever else is said stands for neither.
const (
	TierFlex     Tier = "flex"
	TierPriority Tier = "priority"
)

// How much of an engine's time is due to requests of each tier; to others, 1.
const (
	weightFlex     = 0.25
	weightPriority = 4
)

// Weight is how much of an engine's time is due to a request of the tier.
func (t Tier) Weight() float64 {
	switch t {
	case TierPriority:
		return weightPriority
	case TierFlex:
		return weightFlex
	default:
		return 1
	}
}

// TierOf is the tier whose requests have a weight.
func TierOf(weight float64) Tier {
	switch weight {
	case weightPriority:
		return TierPriority
	case weightFlex:
		return TierFlex
	default:
		return ""
	}
}

// Choice is how tools may be called.
type Choice struct {
	// Required says that one must be, Name which, where it may be no other.
	Required bool
	Name     string
	// Single allows one call only.
	Single bool
}

// Constrained says whether the whole answer is bound to a constraint, and not only the calls in it.
func (r *Request) Constrained() bool { return r.Constraint != nil && !r.FreeText }

// ShowsTools says whether the prompt shows the tools.
func (r *Request) ShowsTools() bool { return len(r.Tools) > 0 && !r.ToolsOff }

// Answers is how many answers are wanted, at least one.
func (r *Request) Answers() int { return max(1, r.Choices) }

// NeedsFetching says whether bringing in the request's media may take long for reasons that lie outside: URLs are
// fetched, videos probed.
func (r *Request) NeedsFetching() bool {
	if len(r.Videos) > 0 {
		return true
	}
	for _, image := range r.Images {
		if scheme, _, _ := strings.Cut(image.URL, ":"); strings.HasPrefix(strings.ToLower(scheme), "http") {
			return true
		}
	}
	return false
}

// Sampling are the client's own choices; what is nil comes from the variant's defaults.
type Sampling struct {
	Temperature, TopP, MinP                              *float64
	TopK                                                 *int
	PresencePenalty, FrequencyPenalty, RepetitionPenalty *float64
	LogitBias                                            map[int32]float64
	Seed                                                 *int64
}

// Role is who speaks. The wire's developer is decoded as system.
type Role string

// The roles of messages.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Message is one message of a conversation.
type Message struct {
	Role Role
	// Path is where the message stands in the body, for errors.
	Path string
	// Text is string content; Parts is content given as a list. IsText tells which of them holds.
	IsText bool
	Text   string
	Parts  []Part
	// Reasoning is what the assistant thought before it answered.
	Reasoning  *string
	ToolCalls  []ToolCall
	ToolCallID string
}

// AddReasoning puts text behind what the message's reasoning holds.
func (m *Message) AddReasoning(text string) {
	if m.Reasoning != nil {
		text = *m.Reasoning + "\n" + text
	}
	m.Reasoning = &text
}

// Part is an image or a video, or text where it is neither.
type Part struct {
	Text  string
	Image *Image
	Video *Video
}

// IsText says whether the part is text.
func (p *Part) IsText() bool { return p.Image == nil && p.Video == nil }

// ToolCall is a call that the assistant made.
type ToolCall struct {
	ID, Name string
	// Arguments is a JSON value: usually a string that holds an object's text, as OpenAI has it.
	Arguments json.RawMessage
}

// Image is an image to bring in.
type Image struct {
	// Index is its place in Request.Images.
	Index int
	// Path locates the URL in the body, for errors.
	Path string
	URL  string
	// Low asks for a small picture (OpenAI's detail low).
	Low bool
}
