package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
)

// affinity names those requests that have the beginnings of their prompts in common: those of a session, those that
// their client says so of, or those with the same system message and first question, pictures included. A request's id
// is never part of it.
func affinity(d *generation.Decided) string {
	switch {
	case d.Caller.Affinity != "":
		return "session " + d.Caller.Affinity
	case d.Request.CacheKey != "":
		return "key " + d.Request.CacheKey
	}
	sum := sha256.New()
	for i := range d.Request.Messages {
		m := &d.Request.Messages[i]
		addPart(sum, string(m.Role))
		addPart(sum, m.Text)
		for j := range m.Parts {
			addMedium(sum, &m.Parts[j])
		}
		if m.Role == request.RoleUser {
			break
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// addPart adds a text and an end that no text has. A hash does not fail.
func addPart(sum hash.Hash, text string) {
	_, _ = io.WriteString(sum, text)
	_, _ = sum.Write([]byte{0})
}

func addMedium(sum hash.Hash, p *request.Part) {
	addPart(sum, p.Text)
	switch {
	case p.Image != nil:
		addPart(sum, p.Image.URL)
	case p.Video != nil:
		addPart(sum, p.Video.URL)
		for i := range p.Video.Frames {
			addPart(sum, p.Video.Frames[i].URL)
		}
	}
}
