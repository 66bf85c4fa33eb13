package prompt

import "strings"

const (
	callOpen  = "<tool_call>"
	callClose = "</tool_call>"
)

// ParserOptions say what to expect of an answer.
type ParserOptions struct {
	// ThinkOpen means that the prompt ended inside a think block (Rendered.ThinkOpen).
	ThinkOpen bool
	// Tools names the tools that may be called. Without any, tool call text stays where it is; so does that of a call
	// to another tool or with arguments that are no object.
	Tools []string
}

// Delta is a step of a parsed answer. Exactly one of its fields is set.
type Delta struct {
	Reasoning string
	Content   string
	ToolCall  *ToolCallDelta
}

// ToolCallDelta is a step of a tool call. The first one of a call has the name, the following ones bytes of the
// arguments, the last one Done or Truncated. The first one comes when the call is known to name a tool that may be
// called and to have an object for arguments. A call among the model's thoughts is not constrained, so its first one
// comes when the call is complete.
type ToolCallDelta struct {
	// Index counts the calls of the answer from 0.
	Index int
	Name  string
	// Arguments is the next part of the JSON text of the arguments, as the model wrote it; only raw control
	// characters inside JSON strings are escaped, since JSON forbids them. A call without arguments
	// yields "{}".
	Arguments string
	// Done means that the call is complete and its arguments are valid JSON.
	Done bool
	// Truncated means that the call broke off, at the end of the answer or at text that is not JSON, after
	// a part of it had been sent. The rest of the text follows as content.
	Truncated bool
}

// parserState is which part of the answer the parser is in.
type parserState int

const (
	stateStart     parserState = iota // before the first visible character
	stateReasoning                    // inside the think block
	stateContent
	stateCall      // inside a tool call's JSON
	stateAfterCall // after the JSON, before the closing tag
)

// Parser splits an answer, as it streams in, into reasoning, content and tool calls. The deltas, joined,
// do not depend on where the text was cut into chunks. The zero value parses an answer without tools that
// does not start inside a think block. It is not safe for concurrent use.
type Parser struct {
	options ParserOptions
	state   parserState
	buf     string // text not yet interpreted
	// dropNewlines is set until the first other character, after <think> and after </think>.
	dropNewlines bool
	call         *callParser
	heldNewlines string      // newlines before the current call's tag
	from         parserState // where the current call was met, and where the answer goes on after it: stateReasoning or stateContent
	// reasoned is set once there is reasoning. separate puts a newline before the reasoning that goes on after a call.
	reasoned, separate bool
	calls              int // calls that were started
	out                []Delta
}

// NewParser makes a parser for one answer.
func NewParser(o ParserOptions) *Parser { return &Parser{options: o} }

// Add takes the next chunk of text and returns what it completes. Text that may still turn out to be a
// tag, or newlines that end a section, is held back.
func (p *Parser) Add(text string) []Delta {
	p.buf += text
	return p.run(false)
}

// Close returns what was held back. After Close the parser must not be used.
func (p *Parser) Close() []Delta { return p.run(true) }

// run interprets the buffer until nothing more can be decided, or at the end of the answer all of it.
func (p *Parser) run(end bool) []Delta {
	for p.step(end) {
	}
	out := p.out
	p.out = nil
	return out
}

// step makes one decision and reports whether there may be another.
func (p *Parser) step(end bool) bool {
	switch p.state {
	case stateStart:
		return p.stepStart(end)
	case stateReasoning:
		return p.stepReasoning(end)
	case stateCall:
		return p.stepCall(end)
	case stateAfterCall:
		return p.stepAfterCall(end)
	default:
		return p.stepContent(end)
	}
}

// stepStart looks for a think block that the model opens itself.
func (p *Parser) stepStart(end bool) bool {
	visible := strings.TrimLeft(p.buf, " \t\r\n")
	if !end && strings.HasPrefix(thinkOpen, visible) && visible != thinkOpen {
		return false
	}
	switch {
	case strings.HasPrefix(visible, thinkOpen):
		p.buf = visible[len(thinkOpen):]
		p.state, p.dropNewlines = stateReasoning, true
	case p.options.ThinkOpen:
		p.state, p.dropNewlines = stateReasoning, true
	default:
		p.state = stateContent
	}
	return true
}

// dropLeadingNewlines drops newlines at the beginning of a section and reports whether the section has begun.
func (p *Parser) dropLeadingNewlines() bool {
	if p.dropNewlines {
		p.buf = strings.TrimLeft(p.buf, "\n")
		p.dropNewlines = p.buf == ""
	}
	return !p.dropNewlines
}

func (p *Parser) stepReasoning(end bool) bool {
	if !p.dropLeadingNewlines() {
		return false
	}
	tags := []string{thinkClose}
	if len(p.options.Tools) > 0 {
		tags = append(tags, callOpen)
	}
	at, tag := firstTag(p.buf, tags)
	if tag == "" {
		cut := len(p.buf)
		if !end {
			cut = safeCut(p.buf, tags)
		}
		// Newlines at the end of the block belong to its format, and an open block may end at any time.
		cut = len(strings.TrimRight(p.buf[:cut], "\n"))
		p.reasoning(p.buf[:cut])
		p.buf = p.buf[cut:]
		return false
	}
	text := strings.TrimRight(p.buf[:at], "\n")
	p.reasoning(text)
	if tag == callOpen {
		p.openCall(len(text), at)
		return true
	}
	p.buf = p.buf[at+len(tag):]
	p.state, p.dropNewlines = stateContent, true
	return true
}

func (p *Parser) stepContent(end bool) bool {
	if !p.dropLeadingNewlines() {
		return false
	}
	if len(p.options.Tools) == 0 {
		p.content(p.buf)
		p.buf = ""
		return false
	}
	tags := []string{callOpen}
	at, tag := firstTag(p.buf, tags)
	if tag == "" {
		cut := len(p.buf)
		if !end {
			cut = len(strings.TrimRight(p.buf[:safeCut(p.buf, tags)], "\n"))
		}
		p.content(p.buf[:cut])
		p.buf = p.buf[cut:]
		return false
	}
	text := strings.TrimRight(p.buf[:at], "\n")
	p.content(text)
	p.openCall(len(text), at)
	return true
}

// openCall begins a call whose tag is at buf[at:], after newlines from buf[newlines:].
func (p *Parser) openCall(newlines, at int) {
	p.heldNewlines, p.from = p.buf[newlines:at], p.state
	p.buf = p.buf[at+len(callOpen):]
	p.call = &callParser{tools: p.options.Tools, wholeOnly: p.state == stateReasoning}
	p.state = stateCall
}

func (p *Parser) stepCall(end bool) bool {
	n, status := p.call.feed(p.buf)
	started := p.call.ready()
	if started {
		p.callDeltas()
	}
	switch {
	case status == callBroken && !started:
		p.abandonCall()
		return true
	case status == callBroken:
		p.endCall(false)
		p.buf = p.buf[n:]
		p.state = stateContent
		return true
	case status == callComplete:
		p.endCall(true)
		p.buf = p.buf[n:]
		p.state = stateAfterCall
		return true
	}
	if !end {
		p.buf = p.buf[n:]
		return false
	}
	if !started {
		p.abandonCall()
		return true
	}
	p.endCall(false)
	p.buf, p.state = "", stateContent
	return false
}

// abandonCall returns a call of which nothing was sent as the content, or the reasoning, that it then is.
// The text after its tag is read again, as it may hold a proper call.
func (p *Parser) abandonCall() {
	if p.from == stateReasoning {
		p.reasoning(p.heldNewlines + callOpen)
	} else {
		p.content(p.heldNewlines + callOpen)
	}
	p.buf = p.call.raw + p.buf[p.call.consumed:]
	p.state, p.call = p.from, nil
}

// callDeltas sends what the call parser has found since the last time.
func (p *Parser) callDeltas() {
	c := p.call
	if !c.announced {
		c.announced, c.index, c.raw = true, p.calls, ""
		p.calls++
		p.toolCall(ToolCallDelta{Index: c.index, Name: c.name})
	}
	if len(c.arguments) > 0 {
		p.toolCall(ToolCallDelta{Index: c.index, Arguments: string(c.arguments)})
		c.arguments = c.arguments[:0]
	}
}

func (p *Parser) endCall(done bool) {
	c := p.call
	if done && !c.hasArguments {
		p.toolCall(ToolCallDelta{Index: c.index, Arguments: "{}"})
	}
	p.toolCall(ToolCallDelta{Index: c.index, Done: done, Truncated: !done})
	p.call = nil
}

// stepAfterCall drops the closing tag and the white space around it. A model that forgets the tag is
// understood too. A block that the call was made in is still open.
func (p *Parser) stepAfterCall(end bool) bool {
	visible := strings.TrimLeft(p.buf, " \t\r\n")
	if !end && strings.HasPrefix(callClose, visible) && visible != callClose {
		return false
	}
	p.buf = strings.TrimPrefix(visible, callClose)
	p.state, p.dropNewlines = p.from, true
	p.separate = p.from == stateReasoning && p.reasoned
	return true
}

func (p *Parser) reasoning(text string) {
	if text == "" {
		return
	}
	if p.separate {
		text = "\n" + text
	}
	p.reasoned, p.separate = true, false
	p.out = append(p.out, Delta{Reasoning: text})
}

func (p *Parser) content(text string) {
	if text != "" {
		p.out = append(p.out, Delta{Content: text})
	}
}

func (p *Parser) toolCall(d ToolCallDelta) { p.out = append(p.out, Delta{ToolCall: &d}) }

// firstTag finds the first of tags in text; tag is empty when there is none.
func firstTag(text string, tags []string) (at int, tag string) {
	at = len(text)
	for _, t := range tags {
		if i := strings.Index(text, t); i >= 0 && i < at {
			at, tag = i, t
		}
	}
	return at, tag
}

// safeCut is the length of text without an end that may be the beginning of one of tags.
func safeCut(text string, tags []string) int {
	cut := len(text)
	for _, t := range tags {
		for n := min(len(t)-1, len(text)); n > 0; n-- {
			if strings.HasSuffix(text, t[:n]) {
				cut = min(cut, len(text)-n)
				break
			}
		}
	}
	return cut
}
