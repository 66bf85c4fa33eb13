package probe

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/router/train"
)

// Prompt is a question to ask both variants.
type Prompt struct {
	// Text and Images, their number, are those of the last user turn: what the router looks at.
	Text   string
	Images int
	// Answer is the reference answer, empty if there is none.
	Answer             string
	Lang, Kind, Source string
	// Key names the prompt: equal requests with equal references have one key.
	Key string

	body    map[string]json.RawMessage // a logged request, without what chooses a variant
	sources []string                   // pictures of a prompt that is no logged request
	folder  string                     // that relative paths of pictures start from
}

// maxLine bounds a line of JSON, in bytes: pictures as data URIs are in it.
const maxLine = 64 << 20

// line is a line of a file of prompts.
type line struct {
	Text   string   `json:"text"`
	Images []string `json:"images"`
	Answer scalar   `json:"answer"`
	Lang   string   `json:"lang"`
	Kind   string   `json:"kind"`
	Source string   `json:"source"`
	// Messages make the line a logged chat request.
	Messages []message `json:"messages"`
	// Weak and Strong make it an outcome.
	Weak   *float64 `json:"weak"`
	Strong *float64 `json:"strong"`
}

// scalar is a string; numbers and such are taken as they are written.
type scalar string

func (s *scalar) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data)
	}
	*s = scalar(strings.TrimSpace(text))
	return nil
}

// message is what a logged request's message has that matters here.
type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is a string, or parts.
type content struct {
	text   []string
	images int
}

func (c *content) UnmarshalJSON(data []byte) error {
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil
	case data[0] == '"':
		c.text = []string{""}
		return json.Unmarshal(data, &c.text[0])
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		switch {
		case strings.Contains(p.Type, "image"), strings.Contains(p.Type, "video"):
			c.images++
		case p.Text != "":
			c.text = append(c.text, p.Text)
		}
	}
	return nil
}

// IsOutcomes reports whether a file holds outcomes that were measured already: a line with both scores.
func IsOutcomes(file string) (bool, error) {
	found := false
	err := eachLine(file, func(data []byte) error {
		var l line
		// What is wrong with a line is for those to say who read the whole of it.
		found = found || json.Unmarshal(data, &l) == nil && l.Weak != nil && l.Strong != nil
		return nil
	})
	return found, err
}

// Load reads files of prompts. Equal prompts count once.
func Load(files ...string) ([]*Prompt, error) {
	var out []*Prompt
	seen := map[string]bool{}
	for _, file := range files {
		err := eachLine(file, func(data []byte) error {
			p, err := parse(data, file)
			if err == nil && !seen[p.Key] {
				seen[p.Key] = true
				out = append(out, p)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no prompts in %q", files)
	}
	return out, nil
}

// eachLine calls f with each line that is not blank. Errors name file and line.
func eachLine(file string, f func(data []byte) error) error {
	in, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("read prompts: %w", err)
	}
	defer func() { _ = in.Close() }()
	if err := train.EachLine(in, maxLine, f); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func parse(data []byte, file string) (*Prompt, error) {
	var l line
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, err
	}
	p := &Prompt{
		Text: l.Text, Images: len(l.Images), Answer: string(l.Answer), Lang: l.Lang, Kind: l.Kind,
		Source: cmp.Or(l.Source, filepath.Base(file)), folder: filepath.Dir(file),
	}
	if len(l.Messages) > 0 {
		if err := p.logged(data, &l); err != nil {
			return nil, err
		}
	} else {
		p.sources = l.Images
		if err := p.findPictures(); err != nil {
			return nil, err
		}
	}
	if strings.TrimSpace(p.Text) == "" {
		return nil, errors.New("there is no text in it, or in its last user message")
	}
	p.Key = p.key()
	return p, nil
}

// logged takes a chat request, without what chooses the variant and the form of the reply.
func (p *Prompt) logged(data []byte, l *line) error {
	last := -1
	for i, m := range l.Messages {
		if m.Role == "user" {
			last = i
		}
	}
	if last >= 0 {
		c := l.Messages[last].Content
		p.Text, p.Images = strings.Join(c.text, "\n"), c.images
	}
	if err := json.Unmarshal(data, &p.body); err != nil {
		return err
	}
	for _, name := range []string{
		"text", "images", "answer", "lang", "kind", "source", // the line's own
		"model", "reasoning_effort", "enable_thinking", "thinking", "thinking_budget", "thinking_token_budget", "chat_template_kwargs",
		"stream", "stream_options", "n", "logprobs", "top_logprobs", "store", "metadata", "user",
	} {
		delete(p.body, name)
	}
	return nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "data:") || strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

func (p *Prompt) path(image string) string {
	if filepath.IsAbs(image) {
		return image
	}
	return filepath.Join(p.folder, image)
}

func (p *Prompt) findPictures() error {
	for _, image := range p.sources {
		if isURL(image) {
			continue
		}
		if _, err := os.Stat(p.path(image)); err != nil {
			return fmt.Errorf("image: %w", err)
		}
	}
	return nil
}

func (p *Prompt) key() string {
	const digits = 24
	sum := sha256.New()
	names := make([]string, 0, len(p.body))
	for name := range p.body {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var compact bytes.Buffer
		_ = json.Compact(&compact, p.body[name]) // it was decoded before
		fmt.Fprintf(sum, "%q: %s\n", name, compact.Bytes())
	}
	fmt.Fprintf(sum, "%q %q %q", p.Text, p.sources, p.Answer)
	return hex.EncodeToString(sum.Sum(nil))[:digits]
}

// Sample takes n prompts, by their keys: the same ones whatever their order, and with a larger n the same ones and
// more.
func Sample(prompts []*Prompt, n int) []*Prompt {
	out := slices.SortedFunc(slices.Values(prompts), func(a, b *Prompt) int { return cmp.Compare(a.Key, b.Key) })
	return out[:min(n, len(out))]
}

// request is the chat request that puts the prompt to a model. maxTokens, if not 0, bounds what a request leaves open.
func (p *Prompt) request(model string, maxTokens int) ([]byte, error) {
	body := map[string]any{}
	for name, value := range p.body {
		body[name] = value
	}
	if p.body == nil {
		parts := make([]any, 0, len(p.sources)+1)
		for _, image := range p.sources {
			address, err := p.load(image)
			if err != nil {
				return nil, err
			}
			parts = append(parts, map[string]any{"type": "image_url", "image_url": map[string]string{"url": address}})
		}
		parts = append(parts, map[string]string{"type": "text", "text": p.Text})
		body["messages"] = []any{map[string]any{"role": "user", "content": parts}}
	}
	body["model"] = model
	if maxTokens > 0 && body["max_tokens"] == nil && body["max_completion_tokens"] == nil {
		body["max_tokens"] = maxTokens
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	return data, nil
}

// load makes a data URI of a picture's file.
func (p *Prompt) load(image string) (string, error) {
	if isURL(image) {
		return image, nil
	}
	data, err := os.ReadFile(p.path(image))
	if err != nil {
		return "", fmt.Errorf("image: %w", err)
	}
	return "data:" + http.DetectContentType(data) + ";base64," + base64.StdEncoding.EncodeToString(data), nil
}

// tools and schema report what the router is told of a request.
func (p *Prompt) tools() bool {
	var tools []json.RawMessage
	return json.Unmarshal(p.body["tools"], &tools) == nil && len(tools) > 0
}

func (p *Prompt) schema() bool {
	var form struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(p.body["response_format"], &form) == nil && form.Type != "" && form.Type != "text"
}
