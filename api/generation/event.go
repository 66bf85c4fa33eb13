package generation

import "github.com/qwenvld/qwenvld/engine"

// EventKind says what an Event tells.
type EventKind int

// The kinds of events, in the order in which they come for one answer; End comes once, after the last AnswerEnd.
const (
	// Started: the engine has taken the request. Event.Start is set.
	Started EventKind = iota
	// BlockOpen, BlockText and BlockClose tell of Event.Block. Blocks of one answer follow each other and never
	// overlap.
	BlockOpen
	BlockText
	BlockClose
	// AnswerEnd: an answer is complete. Event.Ending is set.
	AnswerEnd
	// End: all answers are. Event.Usage is that of all together.
	End
	// Progress tells of the work itself: an engine's event before it is cut, whatever else comes of it. A Run keeps it
	// to itself.
	Progress
)

// BlockKind is what a block of an answer holds.
type BlockKind string

// The kinds of blocks.
const (
	Reasoning BlockKind = "reasoning"
	Content   BlockKind = "content"
	Call      BlockKind = "call" // the text is the JSON of the call's arguments
)

// Block is a part of an answer.
type Block struct {
	Kind BlockKind
	// Call counts the calls of the answer from 0; ID is the call's random part of an id, to be prefixed as a surface
	// does; Name is the tool's. They are set for calls.
	Call     int
	ID, Name string
}

// FinishToolCalls stands for engine.FinishStop where an answer has tool calls.
const FinishToolCalls engine.FinishReason = "tool_calls"

// Ending is how an answer ended.
type Ending struct {
	// Finish is stop, length or tool_calls; StopString the stop string that matched, if one did.
	Finish     engine.FinishReason
	StopString string
	Usage      engine.Usage
	// Told says that Routing has something to tell that was not known at the start: what closed the think block or the
	// answer.
	Told bool
}

// Event is one step of a Run.
type Event struct {
	Kind   EventKind
	Choice int // which of the answers
	// Start is the engine's, of Started.
	Start *engine.Start
	Block Block
	// Text is what BlockText adds to the block.
	Text string
	// Tokens are those of the content so far that were not given yet, where log-probabilities were asked for: with
	// BlockText, and at BlockClose or AnswerEnd those that no text followed.
	Tokens []engine.Token
	// Cut says of BlockClose that the answer ended inside the block because it was too long.
	Cut    bool
	Ending *Ending
	// Routing is what is known of the decision at Started and AnswerEnd.
	Routing *Routing
	// Usage is that of all answers, at End. Running is the usage so far, where the request asked for it.
	Usage   engine.Usage
	Running *engine.Usage

	// Step is set for Progress, and its Result for AnswerEnd.
	Step *Step
}

// Step is one event of an engine.
type Step struct {
	engine.Event
	// Answers says that some of it is an answer, and no thought.
	Answers bool
}

// Events are what a Run reads: all that comes of a request's answers. One goroutine reads them.
type Events interface {
	// Next blocks; after the end of the last answer it gives io.EOF. Ready says whether it would not block.
	Next() (Event, error)
	Ready() bool
	// Close ends the work and waits until whoever does it has let go. It may be called more than once.
	Close()
}
