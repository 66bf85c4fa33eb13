package generation

import (
	"errors"
	"io"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
)

// Whole is a generation in one piece.
type Whole struct {
	Answers []WholeAnswer
	Usage   engine.Usage
	// Routing is what is known of the decision in the end, by the first answer.
	Routing *Routing
}

// WholeAnswer is one answer.
type WholeAnswer struct {
	Blocks []WholeBlock
	Ending *Ending
	// Routing is what is known of the decision at the answer's end.
	Routing *Routing
	// Tokens are those of the content, where log-probabilities were asked for.
	Tokens []engine.Token
}

// WholeBlock is a block with its text.
type WholeBlock struct {
	Block
	Text string
}

// Text joins the texts of all blocks of a kind.
func (a *WholeAnswer) Text(kind BlockKind) string {
	var text strings.Builder
	for i := range a.Blocks {
		if a.Blocks[i].Kind == kind {
			text.WriteString(a.Blocks[i].Text)
		}
	}
	return text.String()
}

// Calls are the blocks that are calls.
func (a *WholeAnswer) Calls() []WholeBlock {
	var out []WholeBlock
	for i := range a.Blocks {
		if a.Blocks[i].Kind == Call {
			out = append(out, a.Blocks[i])
		}
	}
	return out
}

// Collect reads a run to its end.
func Collect(r *Run) (*Whole, error) {
	out := &Whole{Answers: make([]WholeAnswer, len(r.answers))}
	texts := make([]strings.Builder, len(r.answers))
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		a, text := &out.Answers[ev.Choice], &texts[ev.Choice]
		a.Tokens = append(a.Tokens, ev.Tokens...)
		switch ev.Kind {
		case BlockOpen:
			text.Reset()
			a.Blocks = append(a.Blocks, WholeBlock{Block: ev.Block})
		case BlockText:
			text.WriteString(ev.Text)
		case BlockClose:
			a.Blocks[len(a.Blocks)-1].Text = text.String()
		case AnswerEnd:
			a.Ending, a.Routing = ev.Ending, ev.Routing
			if ev.Choice == 0 {
				out.Routing = ev.Routing
			}
		case End:
			out.Usage = ev.Usage
		case Started, Progress:
		}
	}
}
