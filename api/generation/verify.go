package generation

import (
	"bytes"
	"fmt"
	"log/slog"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// verifier checks a finished answer against the schema that it was held to, by a library of its own: what decoding
// enforces is checked once more by other code.
type verifier struct{ schema *jsonschema.Schema }

// newVerifier returns nil where the whole answer has no schema.
func newVerifier(f *engine.Constraint) (*verifier, error) {
	if f == nil || f.Schema == nil {
		return nil, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(f.Schema))
	if err != nil {
		return nil, fmt.Errorf("read the answer's schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	const name = "answer.json"
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("read the answer's schema: %w", err)
	}
	s, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("compile the answer's schema: %w", err)
	}
	return &verifier{s}, nil
}

// CheckSchema says how an answer fails its schema, nil where it has none.
func CheckSchema(f *engine.Constraint, answer []byte) error {
	v, err := newVerifier(f)
	if v == nil || err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer))
	if err != nil {
		return err
	}
	return v.schema.Validate(value)
}

// noLoader keeps schemas from reading files and URLs.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s: only references inside the schema are followed", url)
}

// verify reports an answer that ended by itself and does not follow its schema. That is a fault of this server: the
// client is told nothing, since the answer is all there is, but the operator is. Answers cut by length say so in their
// finish reason, and of a schema that could not be enforced as a whole nothing more can be expected.
func (r *Run) verify(a *runAnswer, e *Ending) {
	req := r.decided.Request
	if !req.Constrained() || req.Loose || e.Finish != engine.FinishStop || e.StopString != "" || a.calls {
		return
	}
	content := a.content
	thoughts, rest, closed := bytes.Cut(content, []byte(prompt.ThinkEmpty))
	if closed && bytes.HasPrefix(thoughts, []byte(prompt.ThinkStart)) {
		content = rest // thoughts that the request asked to have in the content
	}
	if err := CheckSchema(req.Constraint, content); err != nil {
		// The error quotes the answer, which is not logged.
		r.core.logger.LogAttrs(r.ctx, slog.LevelError, "an answer does not follow its schema",
			slog.String("request_id", r.decided.Caller.ID), slog.Int("bytes", len(a.content)))
	}
}
