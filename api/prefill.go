package api

import (
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// prefill is the beginning of the answer that a client wrote as the last message. The reply goes on from it.
type prefill struct {
	reasoning, text string
	path            string
}

// prefill returns the last message where it begins the answer, nil otherwise.
func (r *chatRequest) prefill() *prefill {
	if len(r.Messages) == 0 || r.NewTurn {
		return nil
	}
	last := &r.Messages[len(r.Messages)-1]
	if last.Role != roleAssistant || len(last.ToolCalls) > 0 {
		return nil
	}
	var text strings.Builder
	text.WriteString(last.Text)
	for _, p := range last.Parts {
		if !p.isText() {
			return nil
		}
		text.WriteString(p.Text)
	}
	out := &prefill{text: text.String(), path: last.Path}
	if last.Reasoning != nil {
		out.reasoning = *last.Reasoning
	}
	if out.text == "" && out.reasoning == "" {
		return nil
	}
	return out
}

// begin writes the beginning of the answer behind a prompt that asks for one. An answer that has begun is thought about no more;
// thoughts without an answer go on, where the weights think.
func (p *prefill) begin(r prompt.Rendered) prompt.Rendered {
	pieces := r.Pieces[:len(r.Pieces):len(r.Pieces)]
	switch {
	case r.ThinkOpen:
		if p.reasoning != "" {
			pieces = append(pieces, engine.Piece{Kind: engine.PieceText, Text: p.reasoning})
		}
		if p.text != "" {
			pieces = append(pieces, engine.Piece{Kind: engine.PieceControl, Text: prompt.ThinkEmpty})
			r.ThinkOpen, r.ThinkClosed = false, true
		}
	case p.text == "":
		return r // instruct shows no thoughts, of this turn as of earlier ones
	}
	if p.text != "" {
		pieces = append(pieces, engine.Piece{Kind: engine.PieceText, Text: p.text})
	}
	r.Pieces = pieces
	return r
}
