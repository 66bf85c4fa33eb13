package compute

import "slices"

// blockState is where the think block of an answer stands.
type blockState uint8

const (
	// blockAbsent: the prompt opened no block, or closed it.
	blockAbsent blockState = iota
	// blockOpen: the model thinks.
	blockOpen
	// blockClosing: the text that closes the block is being forced into the answer.
	blockClosing
	// blockClosed: the closing tag is complete. What follows it in a forced text is still forced.
	blockClosed
)

// Who closed the think block.
const (
	closedByModel  = "model"
	closedByBudget = "budget"
	closedByLoop   = "loop"
	closedByClient = "client"
	closedByEnd    = "end_token"
)

// thinkBlock is the think block of an answer: open, then closing unless the model closes it by itself, then closed.
type thinkBlock struct {
	state blockState
	// forced are the tokens still to be forced, while closing and shortly after.
	forced []int32
	// closedBy says who closed the block, once it is closing or closed.
	closedBy string
	// endBanned is set from a forced closing until the next token is drawn, which must not end the answer.
	endBanned bool
}

func newThinkBlock(open bool) thinkBlock {
	if open {
		return thinkBlock{state: blockOpen}
	}
	return thinkBlock{state: blockAbsent}
}

// inside reports whether the next token belongs to the block.
func (b *thinkBlock) inside() bool { return b.state == blockOpen || b.state == blockClosing }

// forcing reports whether the next token is known.
func (b *thinkBlock) forcing() bool { return len(b.forced) > 0 }

// close has tokens forced that close the block.
func (b *thinkBlock) close(by string, tokens []int32) {
	*b = thinkBlock{state: blockClosing, forced: slices.Clone(tokens), closedBy: by, endBanned: true}
	if len(tokens) == 0 {
		b.state = blockClosed
	}
}

// next takes the first of the forced tokens.
func (b *thinkBlock) next() (token int32) {
	token, b.forced = b.forced[0], b.forced[1:]
	return token
}

// tagSeen notes that the closing tag is complete.
func (b *thinkBlock) tagSeen() {
	if b.state == blockOpen {
		b.closedBy = closedByModel
	}
	b.state = blockClosed
}

// banEndOnce reports whether the token that is drawn now must not end the answer; only the first one after a forced
// closing.
func (b *thinkBlock) banEndOnce() (banned bool) {
	banned, b.endBanned = b.endBanned, false
	return banned
}
