package api

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

const (
	toolCallStart = "<tool_call>"
	toolCallEnd   = "</tool_call>"
)

// logprobFilter keeps the log-probabilities of content tokens: those of reasoning and of tool call markup
// have no place in OpenAI's shape.
type logprobFilter struct {
	thinking bool
	tail     []byte // of the think block, to find an end tag that spans tokens
	inCall   bool
	started  bool // a content token was seen, or no think block came first
	pending  []tokenLogprob
}

func newLogprobFilter(thinking bool) *logprobFilter {
	return &logprobFilter{thinking: thinking, started: !thinking}
}

// answering tells the filter that content was seen: a think block closed by force has no tokens of its own.
func (f *logprobFilter) answering() { f.thinking, f.tail = false, nil }

func (f *logprobFilter) add(tokens []engine.Token) {
	for i := range tokens {
		t := &tokens[i]
		if f.thinking {
			f.tail = append(f.tail, t.Bytes...)
			if bytes.Contains(f.tail, []byte(prompt.ThinkEnd)) {
				f.thinking, f.tail = false, nil
			} else if n := len(f.tail) - len(prompt.ThinkEnd); n > 0 {
				f.tail = f.tail[n:]
			}
			continue
		}
		switch strings.TrimSpace(string(t.Bytes)) {
		case toolCallStart:
			f.inCall = true
			continue
		case toolCallEnd:
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
			f.pending = append(f.pending, wireToken(t))
		}
	}
}

// take returns what has gathered since the last call.
func (f *logprobFilter) take() []tokenLogprob {
	p := f.pending
	f.pending = nil
	return p
}

func wireToken(t *engine.Token) tokenLogprob {
	out := tokenLogprob{
		Token: tokenText(t.Bytes), Logprob: t.Logprob, Bytes: byteList(t.Bytes), TopLogprobs: make([]topLogprob, len(t.Top)),
	}
	for i := range t.Top {
		out.TopLogprobs[i] = topLogprob{Token: tokenText(t.Top[i].Bytes), Logprob: t.Top[i].Logprob, Bytes: byteList(t.Top[i].Bytes)}
	}
	return out
}

// tokenText shows a token that is part of a character as \xNN, like OpenAI does with "bytes:\xe2".
func tokenText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	s.WriteString("bytes:")
	const hex = "0123456789abcdef"
	for _, c := range b {
		s.WriteString(`\x`)
		s.WriteByte(hex[c>>4])
		s.WriteByte(hex[c&15])
	}
	return s.String()
}

// byteList is a []int because encoding/json writes []byte as base64.
func byteList(b []byte) []int {
	out := make([]int, len(b))
	for i, c := range b {
		out[i] = int(c)
	}
	return out
}
