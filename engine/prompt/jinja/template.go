// Package jinja runs chat templates that come with model files from anywhere. It wraps the interpreter gonja: what that
// one does otherwise than Python's Jinja is put right here, its panics become errors, and a template is bounded in what
// it may look like, do and write. What came from outside, and where a template shows pictures and videos, is told apart
// in what it writes.
//
// The package must not know conversations, messages or engines, and gives a template no way to files, other templates
// or the network.
package jinja

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

const (
	maxSource = 1 << 20  // bytes of a template
	maxOutput = 64 << 20 // bytes that a template may write
	maxRange  = 100_000  // numbers that range() may give
)

// Vocabulary is what a template's texts mean to the model.
type Vocabulary struct {
	// Special are the texts of the model's special tokens, which text from outside must never become.
	Special []string
	// Marks are the texts by which a template shows media.
	Marks []Mark
}

// Mark is the text that a template writes for a picture or a video.
type Mark struct {
	Text string
	// Core is the part of Text by which the mark is known while the template writes it, maybe in pieces.
	Core string
}

// Template is a compiled template. It is safe for concurrent use.
type Template struct {
	compiled *exec.Template
	settings *config.Config
	loader   loaders.Loader
	basis    *exec.Environment // of all renderings
	special  []string
	marks    []Mark
}

// RefusalError is what a template says, by raise_exception, of values that it does not render.
type RefusalError struct{ Reason string }

func (e *RefusalError) Error() string { return e.Reason }

// Compile reads a template. It fails for a template that is too large, does not parse, or uses what is left out, such
// as include.
func Compile(source string, vocabulary Vocabulary) (*Template, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("the chat template has %d bytes, %d are allowed", len(source), maxSource)
	}
	t := &Template{special: slices.Clone(vocabulary.Special), marks: slices.Clone(vocabulary.Marks)}
	t.special = slices.DeleteFunc(t.special, func(s string) bool { return s == "" })
	// The longest first, so that a token that begins another one does not hide it.
	slices.SortFunc(t.special, func(a, b string) int { return len(b) - len(a) })
	t.settings, t.loader, t.basis = config.New(), onlyTemplate(source), t.environment()
	t.settings.TrimBlocks, t.settings.LeftStripBlocks = true, true
	err := guarded(func() (err error) {
		if err = checkTemplate(tokens.LexAll(source, t.settings)); err != nil {
			return err
		}
		t.compiled, err = exec.NewTemplate("chat_template", t.settings, t.loader, t.basis)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the chat template cannot be used: %w", err)
	}
	return t, nil
}

// guarded turns the interpreter's panics into errors: templates come with model files from anywhere.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the interpreter panicked: %v", p)
		}
	}()
	return do()
}

// onlyTemplate is a loader that knows one text and no files.
type onlyTemplate string

var _ loaders.Loader = onlyTemplate("")

func (t onlyTemplate) Read(string) (io.Reader, error) { return strings.NewReader(string(t)), nil }

func (t onlyTemplate) Resolve(path string) (string, error) { return path, nil }

func (t onlyTemplate) Inherit(string) (loaders.Loader, error) {
	return nil, errors.New("chat templates cannot load other files")
}

// environment is Jinja as transformers sets it up for chat templates, less what reaches outside.
func (t *Template) environment() *exec.Environment {
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters)
	for name, f := range map[string]exec.FilterFunction{"tojson": toJSON, "items": items} {
		_ = filters.Replace(name, f) // it exists
	}
	globals := exec.EmptyContext().Update(builtins.GlobalVariables)
	for _, name := range []string{"namespace", "dict"} {
		if f, ok := builtins.GlobalFunctions.Get(name); ok {
			globals.Set(name, f)
		}
	}
	globals.Set("range", boundedRange)
	return &exec.Environment{
		Filters: filters, ControlStructures: exec.NewControlStructureSet(statements()), Tests: builtins.Tests,
		Methods: t.methods(), Context: globals,
	}
}

// rendering is what the parts of one rendering share.
type rendering struct {
	template *Template
	orders   map[uintptr][]string // of the keys of each object, by the map that the template sees
	media    map[uintptr]Medium   // by the map that the template sees
	macros   int                  // that are running
	refusal  *RefusalError
}

// renderingKey is where a rendering lies among the variables of a template, which cannot spell this name.
const renderingKey = "\x00rendering"

// renderingOf is nil outside of Render.
func renderingOf(environment *exec.Environment) *rendering {
	v, _ := environment.Context.Get(renderingKey)
	r, _ := v.(*rendering)
	return r
}

// Render runs the template over values: nil, booleans, numbers, strings of the caller's own, Outside, *jsontree.Value,
// Medium, List and map[string]any. It fails with a *RefusalError where the template itself refuses.
func (t *Template) Render(values map[string]any) ([]Span, error) {
	r := &rendering{template: t, orders: map[uintptr][]string{}, media: map[uintptr]Medium{}}
	data := map[string]any{renderingKey: r, "raise_exception": r.raise}
	for name, v := range values {
		data[name] = r.convert(v)
	}
	out := &boundedBuffer{limit: maxOutput}
	environment := *t.basis
	environment.Context = t.basis.Context.Inherit().Update(exec.NewContext(data))
	environment.Methods.Dict = r.dictMethods()
	err := guarded(exec.NewRenderer(&environment, out, t.settings, t.loader, t.compiled).Execute)
	switch {
	case r.refusal != nil:
		return nil, r.refusal
	case out.full:
		return nil, fmt.Errorf("the chat template writes more than %d bytes", maxOutput)
	case err != nil:
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return r.spans(string(out.text)), nil
}

// raise is raise_exception. The interpreter does not pass on what a function failed with, so it is kept.
func (r *rendering) raise(_ *exec.Evaluator, params *exec.VarArgs) (any, error) {
	r.refusal = &RefusalError{"the chat template refuses this conversation"}
	if len(params.Args) > 0 {
		r.refusal.Reason = Visible(params.Args[0].String())
	}
	return nil, r.refusal
}

// boundedBuffer fails when a template writes without end. The interpreter does not pass that on, so it is kept.
type boundedBuffer struct {
	text  []byte
	limit int
	full  bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.full = b.full || len(b.text)+len(p) > b.limit; b.full {
		return 0, io.ErrShortWrite
	}
	b.text = append(b.text, p...)
	return len(p), nil
}
