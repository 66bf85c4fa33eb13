package api

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/http"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/qwenvld/qwenvld/router"
)

// headerSession names a conversation whose requests do not carry all of its turns.
const headerSession = "X-Session-Id"

// maxConversations bounds the conversations whose mode is remembered; the longest unused goes first.
const maxConversations = 10_000

// conversations remember how conversations stand, so that one that thinks goes on thinking. What is forgotten is worked out again
// from the turns themselves. They are safe for concurrent use.
type conversations struct {
	modes *lru.Cache[conversationKey, router.Mode]
}

// conversationKey is a session id or the user turns so far, hashed together with the API key's name.
type conversationKey [sha256.Size]byte

func newConversations() conversations {
	modes, err := lru.New[conversationKey, router.Mode](maxConversations)
	if err != nil {
		panic("api: " + err.Error()) // it refuses a bound below one only
	}
	return conversations{modes}
}

// mode is nil for conversations that are not known.
func (c conversations) mode(key conversationKey) *router.Mode {
	if m, ok := c.modes.Get(key); ok {
		return &m
	}
	return nil
}

func (c conversations) keep(key conversationKey, m router.Mode) { c.modes.Add(key, m) }

// keysOf names the conversation before the last of its turns and after it. A session id stands for all turns.
func keysOf(ctx context.Context, h http.Header, turns []router.Features) (before, after conversationKey) {
	sum := sha256.New()
	writePart(sum, recordOf(ctx).key)
	if id := h.Get(headerSession); id != "" {
		writePart(sum, "session")
		writePart(sum, id)
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
func (r *chatRequest) userTurns() []router.Features {
	var out []router.Features
	for i := range r.Messages {
		m := &r.Messages[i]
		if m.Role != roleUser {
			continue
		}
		f := router.Features{Text: m.Text}
		for _, p := range m.Parts {
			switch {
			case !p.isText():
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
func (r *chatRequest) aboutTokens() int {
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
