package prompt

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

const (
	maxTemplate = 1 << 20  // bytes
	maxPrompt   = 64 << 20 // bytes that a template may write
	maxRange    = 100_000  // numbers that range() may give
)

// jinjaRenderer runs a template in an interpreter without files, includes or anything else from outside.
type jinjaRenderer struct {
	mu       sync.Mutex // the interpreter's state is shared
	template *exec.Template
	specials []string
	orders   keyOrders // of the objects of the conversation being rendered
	calls    int       // macros that are running
}

func newJinjaRenderer(text string, specials []string) (Renderer, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("the chat template has %d bytes, %d are allowed", len(text), maxTemplate)
	}
	r := &jinjaRenderer{orders: keyOrders{}}
	for _, s := range specials {
		if s != "" {
			r.specials = append(r.specials, s)
		}
	}
	// The longest first, so that a token that begins another one does not hide it.
	slices.SortFunc(r.specials, func(a, b string) int { return len(b) - len(a) })
	c := config.New()
	c.TrimBlocks, c.LeftStripBlocks = true, true
	err := guarded(func() (err error) {
		if err = checkTemplate(tokens.LexAll(text, c)); err != nil {
			return err
		}
		r.template, err = exec.NewTemplate("chat_template", c, onlyTemplate(text), r.environment())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the chat template cannot be used: %w", err)
	}
	return r, nil
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

func (t onlyTemplate) Read(string) (io.Reader, error) { return strings.NewReader(string(t)), nil }

func (t onlyTemplate) Resolve(path string) (string, error) { return path, nil }

func (t onlyTemplate) Inherit(string) (loaders.Loader, error) {
	return nil, errors.New("chat templates cannot load other files")
}

// environment is Jinja as transformers sets it up for chat templates, less what reaches outside.
func (r *jinjaRenderer) environment() *exec.Environment {
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters)
	_ = filters.Replace("tojson", r.orders.toJSON) // it exists
	structures := exec.NewControlStructureSet(r.controlStructureParsers())
	globals := exec.EmptyContext().Update(builtins.GlobalVariables)
	for _, name := range []string{"namespace", "dict"} {
		if f, ok := builtins.GlobalFunctions.Get(name); ok {
			globals.Set(name, f)
		}
	}
	return &exec.Environment{
		Filters: filters, ControlStructures: structures, Tests: builtins.Tests, Methods: r.pythonMethods(), Context: globals,
	}
}

// Name implements Renderer.
func (*jinjaRenderer) Name() string { return "jinja" }

// Render implements Renderer.
func (r *jinjaRenderer) Render(c *Conversation) (Rendered, error) {
	if len(c.Messages) == 0 {
		return Rendered{}, errNoMessages()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text, err := r.execute(c)
	if err != nil {
		return Rendered{}, err
	}
	b := builder{}
	placeOutside(&b, text, r.mediaOrder(c))
	open := strings.HasSuffix(strings.TrimRight(text, "\n"), thinkOpen)
	return Rendered{Pieces: b.pieces, ThinkOpen: open && c.AddGenerationPrompt}, nil
}

// execute is what the template writes, outside text with fences. The caller holds the lock.
func (r *jinjaRenderer) execute(c *Conversation) (string, error) {
	clear(r.orders)
	r.calls = 0
	data, err := r.data(c)
	if err != nil {
		return "", err
	}
	out := &boundedBuffer{limit: maxPrompt}
	// The interpreter passes on neither what a function failed with nor that a write failed.
	refusal := ""
	data["raise_exception"] = func(_ *exec.Evaluator, params *exec.VarArgs) (any, error) {
		refusal = "the chat template refuses this conversation"
		if len(params.Args) > 0 {
			refusal = params.Args[0].String()
		}
		return nil, errors.New(refusal)
	}
	err = guarded(func() error { return r.template.Execute(out, exec.NewContext(data)) })
	switch {
	case refusal != "":
		return "", &ConversationError{Message: -1, Param: "messages", Reason: refusal}
	case out.full:
		return "", fmt.Errorf("the chat template writes more than %d bytes", maxPrompt)
	case err != nil:
		return "", fmt.Errorf("chat template: %w", err)
	}
	return string(out.text), nil
}

// boundedBuffer fails when a template writes without end.
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

// Unsupported implements Renderer: what a message says must be in the prompt.
func (r *jinjaRenderer) Unsupported(c *Conversation) error {
	rendered, err := r.Render(c)
	if err != nil {
		return err
	}
	text := rendered.String()
	for i, m := range c.Messages {
		texts := []string{m.Content.Text}
		for _, p := range m.Content.Parts {
			texts = append(texts, p.Text)
		}
		for _, want := range texts {
			// Templates trim, and cut reasoning out of earlier answers.
			if _, after, cut := strings.Cut(want, thinkClose); cut && m.Role == "assistant" {
				want = after
			}
			if want = strings.TrimSpace(validUTF8(want)); !strings.Contains(text, want) {
				return messageError(i, "content", "this model's chat template does not render this %s message", m.Role)
			}
		}
		for j, call := range m.ToolCalls {
			if !strings.Contains(text, call.Name) {
				return messageError(i, fmt.Sprintf("tool_calls[%d]", j), "this model's chat template does not render tool calls")
			}
		}
	}
	if len(c.Tools) > 0 && !r.rendersTools(c, text) {
		return &ConversationError{Message: -1, Param: "tools", Reason: "this model's chat template does not render tools"}
	}
	return nil
}

// rendersTools reports whether the prompt changes with the tools.
func (r *jinjaRenderer) rendersTools(c *Conversation, text string) bool {
	bare := *c
	bare.Tools = nil
	without, err := r.Render(&bare)
	return err != nil || without.String() != text
}
