package jinja

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// stringMethod is a method of the interpreter's strings.
type stringMethod = exec.Method[string]

// repair makes a method of Python's strings of the interpreter's.
type repair func(t *Template, m stringMethod) stringMethod

// stringMethods are the methods of strings that a template has, with what must be done about each: a method that looks
// for a text must find special tokens' texts in what came from outside, fences or not.
var stringMethods = map[string]repair{
	"capitalize": asIs, "center": asIs, "encode": asIs, "format": asIs, "isalnum": asIs, "isalpha": asIs, "isascii": asIs,
	"isdecimal": asIs, "isdigit": asIs, "islower": asIs, "isnumeric": asIs, "isspace": asIs, "istitle": asIs, "isupper": asIs,
	"join": asIs, "ljust": asIs, "lower": asIs, "lstrip": asIs, "rjust": asIs, "rstrip": asIs, "splitlines": asIs, "strip": asIs,
	"swapcase": asIs, "title": asIs, "upper": asIs, "zfill": asIs,
	"count": fencing, "find": fencing, "partition": fencing, "removeprefix": fencing, "removesuffix": fencing, "replace": fencing,
	"rfind": fencing, "rpartition": fencing, "rsplit": fencing, "split": splitting,
	"endswith": unfencing, "startswith": unfencing,
}

func (t *Template) methods() exec.Methods {
	all := builtins.Methods
	repaired := make(map[string]stringMethod, len(stringMethods))
	for name, repair := range stringMethods {
		if m, ok := all.Str.Get(name); ok {
			repaired[name] = repair(t, m)
		}
	}
	all.Str = exec.NewMethodSet(repaired)
	return all
}

func asIs(_ *Template, m stringMethod) stringMethod { return m }

// fencing has a method look for the text of special tokens as it stands in text from outside.
func fencing(t *Template, m stringMethod) stringMethod {
	return func(self string, value *exec.Value, arguments *exec.VarArgs) (any, error) {
		if len(arguments.Args) > 0 && arguments.Args[0].IsString() && strings.ContainsRune(self, fence) {
			first := exec.AsValue(t.fenced(arguments.Args[0].String()))
			more := *arguments
			more.Args = append([]*exec.Value{first}, arguments.Args[1:]...)
			arguments = &more
		}
		return m(self, value, arguments)
	}
}

// splitting is split with a separator, of which the interpreter's own forgets empty parts.
func splitting(t *Template, m stringMethod) stringMethod {
	return fencing(t, func(self string, value *exec.Value, arguments *exec.VarArgs) (any, error) {
		if len(arguments.Args) != 1 || len(arguments.KwArgs) > 0 || arguments.Args[0].String() == "" {
			return m(self, value, arguments)
		}
		var out List
		for part := range strings.SplitSeq(self, arguments.Args[0].String()) {
			out = append(out, part)
		}
		return out, nil
	})
}

// unfencing has a method that only answers a question compare texts as if there were no fences.
func unfencing(_ *Template, m stringMethod) stringMethod {
	bare := func(s string) string { return strings.ReplaceAll(s, string(fence), "") }
	return func(self string, _ *exec.Value, arguments *exec.VarArgs) (any, error) {
		plain := *arguments
		plain.Args = slices.Clone(arguments.Args)
		for i, a := range plain.Args {
			if a.IsString() {
				plain.Args[i] = exec.AsValue(bare(a.String()))
			}
		}
		return m(bare(self), exec.AsValue(bare(self)), &plain)
	}
}

// boundedRange replaces the interpreter's range, which leaves a goroutine behind when a loop ends early.
func boundedRange(_ *exec.Evaluator, params *exec.VarArgs) ([]int, error) {
	bounds := [3]int{0, 0, 1}
	switch args := params.Args; {
	case len(args) == 0 || len(args) > len(bounds):
		return nil, errors.New("range takes one to three numbers")
	case len(args) == 1:
		bounds[1] = args[0].Integer()
	default:
		for i, a := range args {
			bounds[i] = a.Integer()
		}
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if step == 0 {
		return nil, errors.New("range with a step of 0")
	}
	n := math.Ceil(float64(stop-start) / float64(step))
	if n > maxRange {
		return nil, fmt.Errorf("range of more than %d numbers", maxRange)
	}
	var out []int
	for i := range max(0, int(n)) {
		out = append(out, start+i*step)
	}
	return out, nil
}
