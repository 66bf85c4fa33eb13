package prompt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// callStatus is how far the JSON of a call has come.
type callStatus int

const (
	callOpenStatus callStatus = iota // more text is needed
	callComplete
	callBroken
)

// callParser reads the JSON object of one tool call byte by byte. Members other than "name" and
// "arguments" are checked and left out; of repeated members the first counts.
type callParser struct {
	tools     []string // names that may be called
	wholeOnly bool     // nothing is told before the call is complete
	complete  bool
	scan      jsonScanner
	// raw is the text read so far, kept until the call is announced; consumed is how much of the last
	// feed's text is in it.
	raw      string
	consumed int

	key    []byte // text of the member key being read, then of the current member
	value  []byte // text of a "name" value
	member string // current member, "" outside one

	name         string
	arguments    []byte // found and not yet sent
	first        byte   // of the arguments, which must be an object: '{'
	hasArguments bool   // the member was seen
	announced    bool   // the name was sent
	index        int
}

// ready reports whether the call can be told of: its name is known, and that its arguments are an object.
func (c *callParser) ready() bool {
	return c.name != "" && (c.complete || c.first == '{' && !c.wholeOnly)
}

// feed reads text and returns how many bytes it took. A byte that breaks the JSON is not taken.
func (c *callParser) feed(text string) (int, callStatus) {
	c.consumed = 0
	for i := range len(text) {
		status := c.byte(text[i])
		if status == callBroken {
			c.keep(text[:i])
			return i, status
		}
		if status == callComplete {
			c.complete = true
			return i + 1, status
		}
	}
	c.keep(text)
	return len(text), callOpenStatus
}

func (c *callParser) keep(text string) {
	c.consumed = len(text)
	if !c.announced {
		c.raw += text
	}
}

func (c *callParser) byte(b byte) callStatus {
	if len(c.scan.stack) == 0 && c.scan.state == scanValue && b != '{' && !isSpace(b) {
		return callBroken
	}
	before := c.scan
	if !c.scan.step(b) {
		return callBroken
	}
	return c.observe(before, b)
}

// observe follows the members of the outermost object from one scanner state to the next.
func (c *callParser) observe(before jsonScanner, b byte) callStatus { //nolint:cyclop // one case for each place in a call
	now := &c.scan
	top := len(before.stack) == 1
	switch {
	case top && before.inKey:
		c.key = append(c.key, b)
	case top && (before.state == scanKey || before.state == scanKeyOrEnd) && b == '"':
		c.key = append(c.key[:0], b)
	case top && before.state == scanValue && !isSpace(b), c.member != "" && !c.valueOver(before):
		if c.member == "" {
			c.openMember()
		}
		if !c.take(before, b) {
			return callBroken
		}
	}
	if c.member != "" && len(now.stack) <= 1 && memberOver(now.state) {
		if !c.closeMember() {
			return callBroken
		}
	}
	if now.state == scanEnd {
		if c.name == "" {
			return callBroken
		}
		return callComplete
	}
	return callOpenStatus
}

// valueOver reports that the member's value had ended before this byte.
func (c *callParser) valueOver(before jsonScanner) bool {
	return len(before.stack) <= 1 && before.state == scanAfter
}

// memberOver reports that a value of the outermost object has ended; a number only ends with the comma.
func memberOver(s scanState) bool { return s == scanAfter || s == scanEnd || s == scanKey }

func (c *callParser) openMember() {
	var key string
	if json.Unmarshal(c.key, &key) != nil {
		key = "?"
	}
	switch {
	case key == "name" && c.name == "":
		c.member, c.value = "name", c.value[:0]
	case key == "arguments" && !c.hasArguments:
		c.member, c.hasArguments = "arguments", true
	default:
		c.member = "other"
	}
}

// take adds a byte to the current member's value. The byte that ends a number is not part of it. It reports false for
// arguments that cannot be an object.
func (c *callParser) take(before jsonScanner, b byte) bool {
	if before.state == scanNumber && c.scan.state != scanNumber && len(before.stack) == 1 {
		return true
	}
	text := []byte{b}
	if before.state == scanString && b < 0x20 {
		text = fmt.Appendf(nil, `\u%04x`, b)
	}
	switch c.member {
	case "name":
		c.value = append(c.value, text...)
	case "arguments":
		if c.first == 0 {
			c.first = b
		}
		c.arguments = append(c.arguments, text...)
		// An object's text in a string, and null for none, are ways that models have.
		return c.first == '{' || c.first == '"' || c.first == 'n'
	}
	return true
}

func (c *callParser) closeMember() bool {
	member := c.member
	c.member = ""
	switch {
	case member == "name":
		var name string
		if json.Unmarshal(c.value, &name) != nil || !slices.Contains(c.tools, name) {
			return false
		}
		c.name = name
	case member == "arguments" && c.first == 'n':
		c.arguments, c.first = []byte("{}"), '{'
	case member == "arguments" && c.first == '"':
		var text string
		if json.Unmarshal(c.arguments, &text) != nil {
			return false
		}
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
			return false
		}
		c.arguments, c.first = []byte(text), '{'
	}
	return true
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }
