package prompt

import (
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// pythonMethods are the interpreter's methods, with those corrected that differ from Python where chat templates notice: split, which
// forgets empty parts, and those that look for text, which must find special tokens' texts in what came from outside, fences or not.
func (r *jinjaRenderer) pythonMethods() exec.Methods {
	all := builtins.Methods
	split, ok := all.Str.Get("split")
	if !ok {
		return all
	}
	fixed := map[string]exec.Method[string]{}
	for _, name := range []string{
		"capitalize", "center", "count", "encode", "endswith", "find", "format", "index", "isalnum", "isalpha", "isascii",
		"isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip",
		"partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip",
		"splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
	} {
		if m, ok := all.Str.Get(name); ok {
			fixed[name] = m
		}
	}
	searches := []string{
		"count", "find", "index", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit",
	}
	for _, name := range searches {
		if m, ok := fixed[name]; ok {
			fixed[name] = r.fencing(m)
		}
	}
	fixed["startswith"], fixed["endswith"] = unfenced(fixed["startswith"]), unfenced(fixed["endswith"])
	fixed["split"] = r.fencing(func(self string, value *exec.Value, arguments *exec.VarArgs) (any, error) {
		if len(arguments.Args) != 1 || len(arguments.KwArgs) > 0 || arguments.Args[0].String() == "" {
			return split(self, value, arguments)
		}
		var out list
		for part := range strings.SplitSeq(self, arguments.Args[0].String()) {
			out = append(out, part)
		}
		return out, nil
	})
	all.Str = exec.NewMethodSet(fixed)
	return all
}

// fencing has a method look for the text of special tokens as it stands in text from outside.
func (r *jinjaRenderer) fencing(m exec.Method[string]) exec.Method[string] {
	return func(self string, value *exec.Value, arguments *exec.VarArgs) (any, error) {
		if len(arguments.Args) > 0 && arguments.Args[0].IsString() && strings.ContainsRune(self, fence) {
			first := exec.AsValue(r.fenced(arguments.Args[0].String()))
			more := *arguments
			more.Args = append([]*exec.Value{first}, arguments.Args[1:]...)
			arguments = &more
		}
		return m(self, value, arguments)
	}
}

// fenced is a template's text with fences where text from outside has them.
func (r *jinjaRenderer) fenced(text string) string {
	if strings.ContainsRune(text, fence) {
		return text // it came from outside itself
	}
	var b strings.Builder
	for i, c := range text {
		b.WriteRune(c)
		if slices.ContainsFunc(r.specials, func(s string) bool { return strings.HasPrefix(text[i:], s) }) {
			b.WriteRune(fence)
		}
	}
	return b.String()
}

// unfenced has a method that only answers compare texts as if there were no fences.
func unfenced(m exec.Method[string]) exec.Method[string] {
	bare := func(s string) string { return strings.ReplaceAll(s, string(fence), "") }
	return func(self string, value *exec.Value, arguments *exec.VarArgs) (any, error) {
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
