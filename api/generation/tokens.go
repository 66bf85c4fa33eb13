package generation

import (
	"bytes"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// contentTokens keeps the tokens of the content: those of reasoning and of tool call markup have no place in any
// surface's log-probabilities.
type contentTokens struct {
	plain    bool // all tokens are content
	thinking bool
	tail     []byte // of the think block, to find an end tag that spans tokens
	inCall   bool
	started  bool // a content token was seen, or no think block came first
	pending  []engine.Token
}

func newContentTokens(thinking, plain bool) contentTokens {
	return contentTokens{thinking: thinking && !plain, started: !thinking, plain: plain}
}

// contentSeen ends the think block where no token has ended it: one that was closed by force may have none of its own.
// tokens were added last; where they came with content alone they are its first.
func (f *contentTokens) contentSeen(tokens []engine.Token, alone bool) {
	if !f.thinking {
		return
	}
	f.thinking, f.tail = false, nil
	if alone {
		f.add(tokens)
	}
}

func (f *contentTokens) empty() bool { return len(f.pending) == 0 }

func (f *contentTokens) add(tokens []engine.Token) {
	for i := range tokens {
		t := &tokens[i]
		if f.plain {
			f.pending = append(f.pending, *t)
			continue
		}
		if f.thinking {
			f.stillThinking(t)
			continue
		}
		switch strings.TrimSpace(string(t.Bytes)) {
		case prompt.ToolCallOpen:
			f.inCall = true
			continue
		case prompt.ToolCallClose:
			f.inCall = false
			continue
		case "":
			// The line breaks after the think block are not content.
			if !f.started {
				continue
			}
		}
		if !f.inCall {
			f.started = true
			f.pending = append(f.pending, *t)
		}
	}
}

// stillThinking looks for the end of the think block in its last tokens.
func (f *contentTokens) stillThinking(t *engine.Token) {
	f.tail = append(f.tail, t.Bytes...)
	if bytes.Contains(f.tail, []byte(prompt.ThinkEnd)) {
		f.thinking, f.tail = false, nil
	} else if n := len(f.tail) - len(prompt.ThinkEnd); n > 0 {
		f.tail = f.tail[n:]
	}
}

// take returns what has gathered since the last call.
func (f *contentTokens) take() []engine.Token {
	taken := f.pending
	f.pending = nil
	return taken
}
