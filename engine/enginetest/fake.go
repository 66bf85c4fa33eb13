package enginetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

var _ engine.Engine = (*Fake)(nil)

// Fake is an engine without weights, whose tokens are bytes. Left alone it is a model that says its prompt again and
// again, and keeps the whole contract. With Events, Answer or Fail set it plays that script instead, whatever is asked
// of it. Fields are set while no request runs; the methods are safe for concurrent use.
type Fake struct {
	// Model is what Info says.
	Model engine.Info
	// Down makes it an engine without a model.
	Down bool
	// Refuse is what Generate fails with, TextError what Tokenize and TokenBytes fail with.
	Refuse, TextError error
	// Start begins streams; nil derives it from the request.
	Start *engine.Start
	// Events of an answer after Start.
	Events []engine.Event
	// Fail ends the events of an answer.
	Fail error
	// Answer, if set, makes the events in place of Events and Fail.
	Answer Script
	// Hold, if set, has each event but the first wait for a value.
	Hold chan struct{}
	// Closed, if set, is closed with the first stream.
	Closed chan struct{}
	// PixelsLater leaves it to the first event to wait for pixels, for a Fake that stands where only a part of them has
	// come.
	PixelsLater bool

	mu    sync.Mutex
	asked []*engine.Request
	open  int
	most  int
	ended sync.Once // closes Closed
}

// Script begins the answer to a request. The function that it returns gives the next event, and io.EOF after the last
// one. It may block until ctx is done, which is when the stream ends.
type Script func(ctx context.Context, req *engine.Request) (next func() (engine.Event, error))

// promptTokens is what a script's prompt counts for.
const promptTokens = 7

func (f *Fake) scripted() bool { return f.Events != nil || f.Answer != nil || f.Fail != nil }

// Info implements engine.Engine.
func (f *Fake) Info(context.Context) (engine.Info, error) {
	if f.Down {
		return engine.Info{}, engine.ErrUnavailable
	}
	return f.Model, nil
}

// Generate implements engine.Engine.
func (f *Fake) Generate(ctx context.Context, req *engine.Request) (engine.Stream, error) {
	f.mu.Lock()
	f.asked = append(f.asked, req)
	f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case f.Down:
		return nil, engine.ErrUnavailable
	case f.Refuse != nil:
		return nil, f.Refuse
	}
	start := f.Start
	if f.scripted() && start == nil {
		start = f.begin(req, engine.Usage{PromptTokens: promptTokens})
	} else if start == nil {
		if err := f.check(req); err != nil {
			return nil, err
		}
		start = f.begin(req, f.count(req))
	}
	if !f.PixelsLater {
		if err := awaitPixels(ctx, req); err != nil {
			return nil, err
		}
	}
	return f.stream(ctx, req, start), nil
}

// awaitPixels returns when all pixels of req have come.
func awaitPixels(ctx context.Context, req *engine.Request) error {
	for i := range req.Images {
		if _, err := req.Images[i].Bytes(ctx); err != nil {
			return err
		}
	}
	return nil
}

// begin derives the first event from a request and what its prompt takes. Think blocks leave a quarter for the answer.
func (f *Fake) begin(req *engine.Request, prompt engine.Usage) *engine.Start {
	const answerPart = 4
	most := f.Model.ContextSize - prompt.PromptTokens
	if req.MaxTokens > 0 {
		most = min(most, req.MaxTokens)
	}
	start := &engine.Start{Usage: prompt, MaxTokens: most}
	budget := most - most/answerPart
	switch t := &req.Thinking; {
	case f.scripted():
		start.ThinkOpen, start.ThinkingBudget = t.Open && !t.Empty, min(t.Budget, budget)
	case t.Open && !t.Empty && budget > len(t.CloseText):
		start.ThinkOpen, start.ThinkingBudget = true, budget-len(t.CloseText)
		if t.Budget > 0 {
			start.ThinkingBudget = min(t.Budget, start.ThinkingBudget)
		}
	}
	return start
}

// Tokenize implements engine.Engine: each byte is a token.
func (f *Fake) Tokenize(_ context.Context, pieces []engine.Piece) ([]int32, error) {
	if err := f.answersText(); err != nil {
		return nil, err
	}
	var out []int32
	for i := range pieces {
		if p := &pieces[i]; p.Kind != engine.PieceControl && p.Kind != engine.PieceText {
			return nil, &engine.RequestError{Field: "pieces", Message: fmt.Sprintf("%q is not text", p.Kind)}
		}
		out = appendBytes(out, pieces[i].Text)
	}
	return out, nil
}

func appendBytes(tokens []int32, text string) []int32 {
	for _, b := range []byte(text) {
		tokens = append(tokens, int32(b))
	}
	return tokens
}

// TokenBytes implements engine.Engine.
func (f *Fake) TokenBytes(_ context.Context, tokens []int32) ([][]byte, error) {
	if err := f.answersText(); err != nil {
		return nil, err
	}
	out := make([][]byte, len(tokens))
	for i, t := range tokens {
		if t < 0 || t > 0xff {
			return nil, &engine.RequestError{Field: "tokens", Message: fmt.Sprintf("%d is no byte", t)}
		}
		out[i] = []byte{byte(t)}
	}
	return out, nil
}

func (f *Fake) answersText() error {
	if f.Down {
		return engine.ErrUnavailable
	}
	return f.TextError
}

// Asked are the requests that Generate got, in their order.
func (f *Fake) Asked() []*engine.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// Last is the request that Generate got last, nil before the first.
func (f *Fake) Last() *engine.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) == 0 {
		return nil
	}
	return f.asked[len(f.asked)-1]
}

// Request is Last, and fails the test where Generate was not called.
func (f *Fake) Request(t testing.TB) *engine.Request {
	t.Helper()
	req := f.Last()
	if req == nil {
		t.Fatal("the engine was not asked")
	}
	return req
}

// Open is how many streams are not closed yet, MostOpen how many there were at a time.
func (f *Fake) Open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// MostOpen is the largest value that Open had.
func (f *Fake) MostOpen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// Forget empties Asked and begins MostOpen anew.
func (f *Fake) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.most = nil, f.open
}
