// Package engine is what the daemon asks of a model: a Request of prompt pieces, resized pixels and
// sampling parameters goes in, a Stream of text deltas and usage comes out.
//
// It holds only the contract: engine/process implements it with worker processes, engine/worker and
// engine/llama compute. It must not know of HTTP, of OpenAI's wire types or of routing.
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Engine answers requests with one set of weights.
type Engine interface {
	// Info describes the loaded weights. It fails with ErrUnavailable while none are loaded.
	Info(ctx context.Context) (Info, error)
	// Generate admits req and returns its stream once the first event is ready or the request is known to be good and
	// all its pixels have come; an error of Image.Later is returned as it is. Refusals (ContextLengthError,
	// ErrUnavailable, ErrOverloaded, ImageMemoryError, RequestError) come here, before any event. Cancelling ctx or
	// closing the stream frees the sequence. The caller must Close the stream.
	Generate(ctx context.Context, req *Request) (Stream, error)
	// Tokenize gives the tokens of pieces of text, as Generate would make them.
	Tokenize(ctx context.Context, pieces []Piece) ([]int32, error)
	// TokenBytes gives what each token stands for; special tokens give their text. Unknown ids are a RequestError.
	TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error)
}

// Stream yields the events of one request. It is not safe for concurrent use.
type Stream interface {
	// Next blocks for the next event. After the event with Result set it returns io.EOF.
	// ErrWorkerDied means that the process behind the stream is gone.
	Next() (Event, error)
	// Close cancels what is left of the request, whose sequence is freed before the next step.
	Close() error
}

// Info describes loaded weights.
type Info struct {
	// Name is the model file's own general.name, for logs.
	Name string `json:"name"`
	// Architecture is the model file's general.architecture, such as qwen3vlmoe; empty while nobody knows.
	Architecture string `json:"architecture,omitempty"`
	// ContextSize is the number of tokens one sequence may hold, prompt and answer together.
	ContextSize int `json:"context_size"`
	// MaxSequences is how many requests decode together.
	MaxSequences int `json:"max_sequences"`
	// VocabSize bounds token ids: 0 <= id < VocabSize.
	VocabSize int `json:"vocab_size"`
	// ChatTemplate is the Jinja text from the model file, empty when it has none.
	ChatTemplate string `json:"chat_template"`
	// SpecialTokens are the texts of all control and user-defined tokens.
	SpecialTokens []string `json:"special_tokens"`
	// TokenBytes is how many bytes of a prompt's text a token covers at most.
	TokenBytes int `json:"token_bytes"`
	// Sampling are the defaults that the model file names (general.sampling.*), nil where it names none.
	Sampling *Sampling `json:"sampling,omitempty"`
	// Vision is nil for a text model without a projector.
	Vision *VisionInfo `json:"vision,omitempty"`
	// System describes the compiled kernels and devices, for logs and `qwenvld version`.
	System string `json:"system"`
}

// VisionInfo describes the projector.
type VisionInfo struct {
	// PatchSize is a patch's edge in pixels (16), MergeSize the patches merged per edge (2).
	PatchSize int `json:"patch_size"`
	MergeSize int `json:"merge_size"`
	// MinPixels and MaxPixels are the projector file's own limits, 0 where it has none.
	MinPixels int `json:"min_pixels"`
	MaxPixels int `json:"max_pixels"`
}

// TokenEdge is the edge in pixels of the square that becomes one token; the sizes of pictures are multiples of it. 0 as
// long as the sizes are not known.
func (v *VisionInfo) TokenEdge() int { return v.PatchSize * v.MergeSize }

// PieceKind says how a Piece becomes tokens.
type PieceKind string

const (
	// PieceControl is template text: special tokens in it are recognised.
	PieceControl PieceKind = "control"
	// PieceText is text from outside: it never yields control tokens.
	PieceText PieceKind = "text"
	// PieceTokens is tokens as they are.
	PieceTokens PieceKind = "tokens"
	// PieceImage stands for the rows of Request.Images[Image]. The vision_start and vision_end tokens
	// around it are control pieces.
	PieceImage PieceKind = "image"
	// PieceVideo stands for a whole video in a prompt that is being made. It becomes control pieces with timestamps and
	// image pieces before the prompt goes to an engine, which refuses it.
	PieceVideo PieceKind = "video"
)

// Piece is a run of a prompt. Adjacent pieces tokenise as if their texts were joined, so piece
// borders are invisible to the tokenizer.
type Piece struct {
	Kind   PieceKind `json:"kind"`
	Text   string    `json:"text,omitempty"`
	Tokens []int32   `json:"tokens,omitempty"`
	Image  int       `json:"image,omitempty"`
	Video  int       `json:"video,omitempty"`
}

// Image is a still image, or a pair of frames of a video, in 8-bit RGB and already resized: Width and Height are
// multiples of TokenEdge. Either becomes as many rows.
type Image struct {
	Width  int `json:"width"`
	Height int `json:"height"`
	// Pair says that there are two frames, which are counted as video.
	Pair bool `json:"pair,omitempty"`
	// RGB holds Size bytes in row-major order, the earlier frame first.
	RGB []byte `json:"-"`
	// Later stands for RGB while the bytes are still to come.
	Later *Pixels `json:"-"`
}

// Size is the number of bytes of the pixels.
func (i *Image) Size() int64 {
	n := 3 * int64(i.Width) * int64(i.Height)
	if i.Pair {
		n *= 2
	}
	return n
}

// Bytes returns the pixels, waiting for them if need be.
func (i *Image) Bytes(ctx context.Context) ([]byte, error) {
	if i.Later == nil {
		return i.RGB, nil
	}
	return i.Later.Wait(ctx)
}

// Request is one generation.
type Request struct {
	// ID appears in logs on both sides.
	ID     string  `json:"id"`
	Prompt []Piece `json:"prompt"`
	Images []Image `json:"images,omitempty"`
	// CacheScope names those whose prompts may share computed rows with this one's, so that nobody can tell from an
	// answer's speed what others have asked.
	CacheScope string `json:"cache_scope,omitempty"`
	// Tenant names those among whom the engine shares its time fairly. Weight is how much of it is due to the request,
	// 0 meaning 1: with twice the weight it waits half as long.
	Tenant string  `json:"tenant,omitempty"`
	Weight float64 `json:"weight,omitempty"`
	// FirstBy is when nobody waits for the first token any more, zero where somebody always does. A request that waits
	// for others may be ended by ErrLate as soon as it cannot come by then.
	FirstBy time.Time `json:"first_by,omitzero"`
	// MaxTokens bounds the completion, reasoning included; 0, and more than the context leaves, mean up to the
	// context's end.
	MaxTokens int      `json:"max_tokens,omitempty"`
	Sampling  Sampling `json:"sampling"`
	// Stop strings end the answer; they are never emitted and do not apply inside the think block.
	Stop []string `json:"stop,omitempty"`
	// Logprobs asks for Event.Tokens; TopLogprobs (0..20) for that many alternatives each.
	Logprobs    bool `json:"logprobs,omitempty"`
	TopLogprobs int  `json:"top_logprobs,omitempty"`
	// FirstTop (0..20) asks for Event.Tokens of the first FirstTokens tokens, with at least so many alternatives each.
	FirstTop    int `json:"first_top,omitempty"`
	FirstTokens int `json:"first_tokens,omitempty"`
	// RunningUsage asks for Event.Usage.
	RunningUsage bool `json:"running_usage,omitempty"`
	// MayRepeat lets an answer go on that only repeats itself; otherwise it ends with Result.Repetition.
	MayRepeat bool     `json:"may_repeat,omitempty"`
	Thinking  Thinking `json:"thinking"`
	// Prediction is text that the answer is expected to have much of. It makes the answer faster where it holds, and
	// changes nothing about it.
	Prediction string `json:"prediction,omitempty"`
	// Constraint bounds the answer, nil for free text.
	Constraint *Constraint `json:"constraint,omitempty"`
}

// Thinking tells the engine about the think block of a prompt. The engine alone closes blocks, since it knows what room
// there is; Start.ThinkOpen says what became of this one.
type Thinking struct {
	// Open means that the prompt ends inside a think block, which the engine must close early enough to leave room for
	// an answer.
	Open bool `json:"open,omitempty"`
	// Empty has an open block closed in the prompt, so that the answer comes at once.
	Empty bool `json:"empty,omitempty"`
	// Closed means that the prompt itself closed the block.
	Closed bool `json:"closed,omitempty"`
	// Budget is how many tokens the block may take; 0 means no bound but MaxTokens less the answer reserve.
	Budget int `json:"budget,omitempty"`
	// CloseText is forced into the sequence, as control text, when the budget is spent. It contains the
	// closing tag.
	CloseText string `json:"close_text,omitempty"`
	// EmptyText is control text that closes a block in the prompt.
	EmptyText string `json:"empty_text,omitempty"`
	// EndTag is the closing tag, "</think>"; tokens up to and with it count as reasoning. Where the engine or the
	// prompt closed the block, the answer cannot contain the tag: a model that was cut short would close the block a
	// second time.
	EndTag string `json:"end_tag,omitempty"`
	// Now, where it is not nil, is closed when nobody wants to wait for more thoughts: an open block is closed soon
	// after, as at its budget's end. It is heeded until the stream is closed.
	Now <-chan struct{} `json:"-"`
}

// Sampling holds the parameters of reference §7. The zero value is greedy.
type Sampling struct {
	Temperature       float64           `json:"temperature"`
	TopP              float64           `json:"top_p"` // 0 or 1: off
	TopK              int               `json:"top_k"` // 0: off
	MinP              float64           `json:"min_p"`
	PresencePenalty   float64           `json:"presence_penalty"`
	FrequencyPenalty  float64           `json:"frequency_penalty"`
	RepetitionPenalty float64           `json:"repetition_penalty"` // 0 or 1: off
	LogitBias         map[int32]float64 `json:"logit_bias,omitempty"`
	// Seed makes the output repeatable; nil draws one.
	Seed *uint64 `json:"seed,omitempty"`
}

// Start is what an engine made of a request that it has taken.
type Start struct {
	// Usage counts the prompt.
	Usage Usage `json:"usage"`
	// MaxTokens is how long the completion may get: as asked for, or what the context leaves.
	MaxTokens int `json:"max_tokens"`
	// ThinkOpen means that the answer begins inside the think block that the prompt opened, and ThinkingBudget how many
	// tokens it may take there. Otherwise there is no block, or it was closed in the prompt.
	ThinkOpen      bool `json:"think_open,omitempty"`
	ThinkingBudget int  `json:"thinking_budget,omitempty"`
}

// Event is one step of a stream.
type Event struct {
	// Start is set on the first event, which comes before anything is computed and has nothing else.
	Start *Start `json:"start,omitempty"`
	// Text is valid UTF-8; it may be empty while a character or a possible stop string is incomplete.
	Text string `json:"text,omitempty"`
	// Tokens are the tokens whose text this event completes, when log-probabilities were asked for.
	Tokens []Token `json:"tokens,omitempty"`
	// Usage is what was used so far, when Request.RunningUsage asks for it.
	Usage *Usage `json:"usage,omitempty"`
	// Timing comes with the first event after Start, from engines that know it.
	Timing *Timing `json:"timing,omitempty"`
	// Result is set on the last event only.
	Result *Result `json:"result,omitempty"`
}

// Timing tells what a request waited for until its first token.
type Timing struct {
	// Taken is when the engine took it.
	Taken time.Time `json:"taken"`
	// Queued is how long it then waited for its first rows to be computed among those of others, FirstToken how long it
	// took from Taken until its first token was drawn.
	Queued     time.Duration `json:"queued"`
	FirstToken time.Duration `json:"first_token"`
	// EncodeBegin and EncodeEnd are how long after Taken the first of its pictures began to be encoded, and the last
	// one was. EncodeEnd is 0 where no picture had to be.
	EncodeBegin time.Duration `json:"encode_begin,omitempty"`
	EncodeEnd   time.Duration `json:"encode_end,omitempty"`
}

// Token is a generated token with its log-probability under the model (temperature 1, no penalties).
type Token struct {
	ID      int32      `json:"id"`
	Bytes   []byte     `json:"bytes"`
	Logprob float64    `json:"logprob"`
	Top     []TopToken `json:"top,omitempty"`
}

// TopToken is an alternative at one position.
type TopToken struct {
	ID      int32   `json:"id"`
	Bytes   []byte  `json:"bytes"`
	Logprob float64 `json:"logprob"`
}

// FinishReason says why a completion ended, in OpenAI's words.
type FinishReason string

// Ends of a completion.
const (
	FinishStop   FinishReason = "stop"   // end token or a stop string
	FinishLength FinishReason = "length" // MaxTokens or the context's end
)

// Result ends a stream.
type Result struct {
	FinishReason FinishReason `json:"finish_reason"`
	// StopString is the stop string that matched, if one did.
	StopString string `json:"stop_string,omitempty"`
	Usage      Usage  `json:"usage"`
	// ThinkingClosedBy is "model", "budget", "loop" when the block only repeated itself, "client" by Thinking.Now,
	// "end_token" when the model ended its answer inside the block and was made to go on, or "" without a block.
	ThinkingClosedBy string `json:"thinking_closed_by,omitempty"`
	// Repetition says that the answer was ended, as by length, because it only repeated itself.
	Repetition bool `json:"repetition,omitempty"`
}

// Usage counts tokens.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	// CachedTokens are those of the prompt that did not have to be computed, because a prompt before this one began
	// with them.
	CachedTokens    int `json:"cached_tokens"`
	ImageTokens     int `json:"image_tokens"`
	VideoTokens     int `json:"video_tokens"`
	ReasoningTokens int `json:"reasoning_tokens"`
	// AcceptedPrediction and RejectedPrediction are tokens of Request.Prediction that were computed ahead: those that
	// the answer has, and those that it went another way than.
	AcceptedPrediction int `json:"accepted_prediction,omitempty"`
	RejectedPrediction int `json:"rejected_prediction,omitempty"`
}

var (
	// ErrUnavailable means that no worker is ready; trying again later may work.
	ErrUnavailable = errors.New("model is not loaded")
	// ErrOverloaded means that the worker's queue is full.
	ErrOverloaded = errors.New("too many requests are waiting")
	// ErrLate means that the first token of a request could not come by Request.FirstBy.
	ErrLate = errors.New("the answer cannot begin in time")
	// ErrWorkerDied means that the model process ended during the request.
	ErrWorkerDied = errors.New("model process ended unexpectedly")
)

// ImageMemoryError refuses an image whose encoding would not fit into memory.
type ImageMemoryError struct {
	Image       int   `json:"image"`
	NeededBytes int64 `json:"needed_bytes"`
	LimitBytes  int64 `json:"limit_bytes"`
}

func (e *ImageMemoryError) Error() string {
	return fmt.Sprintf("encoding image %d needs %d bytes of working memory, %d are allowed", e.Image, e.NeededBytes, e.LimitBytes)
}

// RequestError is a request field that this model cannot honour.
type RequestError struct {
	Field   string `json:"field"` // field of Request in snake case, e.g. "sampling.logit_bias"
	Message string `json:"message"`
}

func (e *RequestError) Error() string { return e.Field + ": " + e.Message }
