package generation

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/router"
)

// maxConversations bounds the conversations whose mode is remembered; the longest unused goes first.
const maxConversations = 10_000

// conversations remember how conversations stand, so that one that thinks goes on thinking. What is forgotten is worked
// out again from the turns themselves. They are safe for concurrent use.
type conversations struct {
	modes *lru.Cache[conversationKey, router.Mode]
}

// conversationKey is a session id or the user turns so far, hashed together with the pair and the API key's name.
type conversationKey [sha256.Size]byte

func newConversations() conversations {
	modes, err := lru.New[conversationKey, router.Mode](maxConversations)
	if err != nil {
		panic("generation: " + err.Error()) // it refuses a bound below one only
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
	n := 0
	for i := range r.Messages[:max(0, len(r.Messages)-1)] {
		n += messageBytes(&r.Messages[i])
	}
	return n / bytesPerToken
}

// bytesPerToken is about how many bytes of text a token is.
const bytesPerToken = 4

func messageBytes(m *request.Message) int {
	n := len(m.Text)
	for i := range m.Parts {
		n += len(m.Parts[i].Text)
	}
	return n
}
