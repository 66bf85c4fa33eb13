package remote

import "github.com/qwenvld/qwenvld/engine/upstream/dialect"

// echo is what of a beginning is still to come with the answer to it.
type echo struct{ thoughts, text string }

func echoOf(m *dialect.Message) (e echo) {
	if m.Thoughts != nil {
		e.thoughts = *m.Thoughts
	}
	for _, p := range m.Parts {
		e.text += p.Text
	}
	return e
}

// strip gives the thoughts and the text of an event without the beginning that they repeat.
func (e *echo) strip(d *dialect.Delta) (thoughts, text string) {
	return withoutEcho(&e.thoughts, d.Thoughts), withoutEcho(&e.text, d.Text)
}

func withoutEcho(rest *string, got string) string {
	n := 0
	for n < len(got) && n < len(*rest) && got[n] == (*rest)[n] {
		n++
	}
	if *rest = (*rest)[n:]; n < len(got) {
		*rest = "" // it has come, or does not come
	}
	return got[n:]
}
