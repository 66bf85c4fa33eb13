package generation

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/router"
)

// maxConversations bounds the conversations whose mode is remembered; the longest unused goes first.
const maxConversations = 10_000

// conversations remember how conversations stand, so that one that thinks goes on thinking. What is forgotten is worked out again
// from the turns themselves. The zero value is ready; it is safe for concurrent use.
type conversations struct {
	mu    sync.Mutex
	byKey map[conversationKey]*list.Element
	order list.List // of remembered, the latest used first
}

// conversationKey is a session id or the user turns so far, hashed together with the API key's name.
type conversationKey [sha256.Size]byte

type remembered struct {
	key  conversationKey
	mode router.Mode
}

// mode is nil for conversations that are not known.
func (c *conversations) mode(key conversationKey) *router.Mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	m := e.Value.(*remembered).mode
	return &m
}

func (c *conversations) keep(key conversationKey, m router.Mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		e.Value = &remembered{key, m}
		c.order.MoveToFront(e)
		return
	}
	if c.byKey == nil {
		c.byKey = map[conversationKey]*list.Element{}
	}
	c.byKey[key] = c.order.PushFront(&remembered{key, m})
	if c.order.Len() > maxConversations {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.byKey, last.Value.(*remembered).key)
	}
}

// conversationKeys names the conversation before the last of its turns and after it. A session id stands for all turns.
func conversationKeys(pair string, c *Caller, turns []router.Features) (before, after conversationKey) {
	sum := sha256.New()
	writePart(sum, pair)
	writePart(sum, c.Key)
	if c.Session != "" {
		writePart(sum, "session")
		writePart(sum, c.Session)
		turns = nil
	}
	for i := range turns {
		if i == len(turns)-1 {
			before = conversationKey(sum.Sum(nil))
		}
		writePart(sum, turns[i].Text)
		_ = binary.Write(sum, binary.LittleEndian, int64(turns[i].Images)) // a hash does not fail
	}
	after = conversationKey(sum.Sum(nil))
	if len(turns) == 0 {
		before = after
	}
	return before, after
}

func writePart(sum hash.Hash, s string) {
	_ = binary.Write(sum, binary.LittleEndian, int64(len(s))) // a hash does not fail
	_, _ = sum.Write([]byte(s))
}

// userTurns are the user's messages as the router sees them, the oldest first.
func userTurns(r *request.Request) []router.Features {
	var out []router.Features
	for i := range r.Messages {
		m := &r.Messages[i]
		if m.Role != request.RoleUser {
			continue
		}
		f := router.Features{Text: m.Text}
		for _, p := range m.Parts {
			switch {
			case !p.IsText():
				f.Images++
			case f.Text == "":
				f.Text = p.Text
			default:
				f.Text += "\n" + p.Text
			}
		}
		out = append(out, f)
	}
	return out
}

// aboutTokens guesses the tokens of the text of all messages but the last: four bytes a token.
func aboutTokens(r *request.Request) int {
	const bytesPerToken = 4
	n := 0
	for i := range r.Messages[:max(0, len(r.Messages)-1)] {
		n += len(r.Messages[i].Text)
		for _, p := range r.Messages[i].Parts {
			n += len(p.Text)
		}
	}
	return n / bytesPerToken
}
