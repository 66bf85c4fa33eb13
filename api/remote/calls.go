package remote

import (
	"encoding/json"
	"strings"

	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// openCall is the call that is being written, if one is.
type openCall struct {
	open  bool
	index int
	name  string
	args  bool // some of its arguments have come
}

// writeCalls writes what an event adds to calls. Weights call tools behind their thoughts, and now and then among them.
// Only a qwenvld tells which: behind a call among thoughts, whose arguments come in one piece, more thoughts may come.
// So its calls are held back until it is known.
func (a *chatAnswer) writeCalls(b *strings.Builder, calls []dialect.CallDelta) {
	if len(calls) == 0 {
		return
	}
	a.begun = true
	if a.inBlock && a.upstream.Dialect().Can.Verifies {
		if a.held = append(a.held, calls...); !inPieces(a.held) {
			return
		}
		calls = nil
	}
	if a.inBlock {
		a.leaveOpenBlock(b)
	}
	for i := range calls {
		a.call.add(b, &calls[i])
	}
}

// inPieces says whether the arguments of one of the calls came in more than one event.
func inPieces(calls []dialect.CallDelta) bool {
	parts := map[int]int{}
	for i := range calls {
		if calls[i].Arguments != "" {
			parts[calls[i].Index]++
		}
		if parts[calls[i].Index] > 1 {
			return true
		}
	}
	return false
}

// writeHeld writes the calls that were held back.
func (a *chatAnswer) writeHeld(b *strings.Builder) {
	for i := range a.held {
		a.call.add(b, &a.held[i])
	}
	a.held = nil
}

// add writes a part of a call as a model of this daemon writes calls.
func (c *openCall) add(b *strings.Builder, d *dialect.CallDelta) {
	if d.Name != "" && (!c.open || d.Index != c.index || d.Name != c.name) {
		c.end(b)
		name, _ := json.Marshal(d.Name) // a text is always written
		b.WriteString("\n" + prompt.ToolCallOpen + "\n{\"name\": " + string(name) + ", \"arguments\": ")
		*c = openCall{open: true, index: d.Index, name: d.Name}
	}
	if c.open && d.Arguments != "" {
		c.args = true
		b.WriteString(d.Arguments)
	}
}

// end writes the end of a call that is open.
func (c *openCall) end(b *strings.Builder) {
	if !c.open {
		return
	}
	if !c.args {
		b.WriteString("{}")
	}
	b.WriteString("}\n" + prompt.ToolCallClose)
	*c = openCall{}
}
