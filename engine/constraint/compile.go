package constraint

import (
	"errors"

	"github.com/qwenvld/qwenvld/engine"
)

// maxDepth bounds the nesting of constraints.
const maxDepth = 16

// Compile makes a grammar of a request's constraint. It fails with *SchemaError or *TooLargeError, or says what is
// wrong with a pattern.
func Compile(f *engine.Constraint) (*Grammar, error) { return compile(f, 0) }

func compileSchema(f *engine.Constraint) (*Grammar, error) {
	if f.ObjectOnly {
		return ObjectSchema(f.Schema, f.Strict)
	}
	return Schema(f.Schema, f.Strict)
}

func compile(f *engine.Constraint, depth int) (*Grammar, error) { //nolint:cyclop // one case for each kind of constraint
	if depth > maxDepth {
		return nil, errors.New("forms are nested too deeply")
	}
	switch {
	case f.Text != "":
		return Choice([]string{f.Text})
	case f.Token != "":
		return Choice([]string{Special + f.Token, f.Token})
	case f.Object:
		return JSON(), nil
	case f.Schema != nil:
		return compileSchema(f)
	case f.Pattern != "":
		return Regex(f.Pattern)
	case len(f.Choices) > 0:
		return Choice(f.Choices)
	case f.Without != "":
		return Without(f.Without)
	case len(f.Sequence) > 0:
		parts, err := compileAll(f.Sequence, depth)
		if err != nil {
			return nil, err
		}
		return Sequence(parts...)
	case len(f.Either) > 0:
		parts, err := compileAll(f.Either, depth)
		if err != nil {
			return nil, err
		}
		return Either(parts...)
	case f.Repeat != nil:
		part, err := compile(&f.Repeat.Constraint, depth+1)
		if err != nil {
			return nil, err
		}
		most := f.Repeat.Max
		if most == 0 {
			most = -1
		}
		return Repeat(part, Literal(f.Repeat.Separator), f.Repeat.Min, most)
	}
	return nil, errors.New("an empty form")
}

func compileAll(parts []engine.Constraint, depth int) ([]*Grammar, error) {
	out := make([]*Grammar, len(parts))
	for i := range parts {
		var err error
		if out[i], err = compile(&parts[i], depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}
