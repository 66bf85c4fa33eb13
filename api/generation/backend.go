package generation

import (
	"context"

	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/engine"
)

// Backend answers decided requests with one set of weights. It sits above rendering: a conversation goes in and blocks
// come out, so that what answers may be an engine of this daemon or another server. It must be safe for concurrent use.
//
//nolint:interfacebloat // what a set of weights can do
type Backend interface {
	// Info tells what the weights can do. It fails with engine.ErrUnavailable while they are not loaded.
	Info(ctx context.Context) (engine.Info, error)
	// Count tells what the prompt takes. Pixels are not decoded.
	Count(ctx context.Context, d *Decided) (Count, error)
	// Tokens are those of the prompt without its pictures.
	Tokens(ctx context.Context, d *Decided) ([]int32, error)
	// Prepare checks the request, brings its media in and puts the prompt together. Nothing is computed yet.
	Prepare(ctx context.Context, d *Decided) (Prepared, error)
	// PrepareText does so for texts that are continued as they are, without a chat template.
	PrepareText(ctx context.Context, d *Decided, prompts []TextPrompt) (Prepared, error)
	// Tokenize gives the tokens of a text, in which special tokens are recognised where special says so; TokenBytes
	// what tokens stand for.
	Tokenize(ctx context.Context, text string, special bool) ([]int32, error)
	TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error)
}

// Prepared is a request that is ready to be answered. It is started once, or closed.
type Prepared interface {
	// Start has the answers made until all is done or ctx is.
	Start(ctx context.Context, d Demand) Events
	// Close gives back what a request holds that is not started.
	Close()
}

// Demand is how the answers of a prepared request are made.
type Demand struct {
	// Places is how many of them may be made at a time.
	Places int
	// FirstTop asks for so many alternatives of each of the first FirstTokens tokens, Logprobs for the
	// log-probabilities of all, whether or not the client wants them.
	FirstTop, FirstTokens int
	Logprobs              bool
	// Now is closed when nobody wants to wait for more thoughts (engine.Thinking.Now).
	Now <-chan struct{}
}

// Count is what a prompt takes, in tokens. InputTokens are all of them.
type Count struct {
	InputTokens, ImageTokens, VideoTokens int
	// Images and Videos are what becomes of those of the request, in their order.
	Images []media.Seen
	Videos []media.SeenVideo
}

// TextPrompt is a text to be continued, in which special tokens are recognised, or tokens.
type TextPrompt struct {
	Text   string
	Tokens []int32
}
