package prompt

import (
	"encoding/json"
	"fmt"
)

type callStatus int

const (
	callOpenStatus callStatus = iota // more text is needed
	callComplete
	callBroken
)

// callParser reads the JSON object of one tool call byte by byte. Members other than "name" and
// "arguments" are checked and left out; of repeated members the first counts.
type callParser struct {
	scan jsonScanner
	// raw is the text read so far, kept until the call is announced; consumed is how much of the last
	// feed's text is in it.
	raw      string
	consumed int

	key    []byte // text of the member key being read, then of the current member
	value  []byte // text of a "name" value
	member string // current member, "" outside one

	name         string
	arguments    []byte // found and not yet sent
	hasArguments bool   // the member was seen
	announced    bool   // the name was sent
	index        int
}

// started reports whether the call's name is known, after which it can be sent.
func (c *callParser) started() bool { return c.name != "" }

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
func (c *callParser) observe(before jsonScanner, b byte) callStatus {
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
		c.take(before, b)
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

// take adds a byte to the current member's value. The byte that ends a number is not part of it.
func (c *callParser) take(before jsonScanner, b byte) {
	if before.state == scanNumber && c.scan.state != scanNumber && len(before.stack) == 1 {
		return
	}
	text := []byte{b}
	if before.state == scanString && b < 0x20 {
		text = fmt.Appendf(nil, `\u%04x`, b)
	}
	switch c.member {
	case "name":
		c.value = append(c.value, text...)
	case "arguments":
		c.arguments = append(c.arguments, text...)
	}
}

func (c *callParser) closeMember() bool {
	if c.member == "name" && (json.Unmarshal(c.value, &c.name) != nil || c.name == "") {
		return false
	}
	c.member = ""
	return true
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }
