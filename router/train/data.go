package train

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Label says what is known of a kind of prompt.
type Label string

// Labels.
const (
	LabelInstruct Label = "instruct" // thinking gains nothing
	LabelThinking Label = "thinking" // thinking gains
	LabelUnsure   Label = "unsure"
)

// Example is a prompt with what is known of it: a Label for its kind or, with Strong set, the scores of both answers.
type Example struct {
	Text   string `json:"text"`
	Image  bool   `json:"image"`
	Images int    `json:"image_count,omitempty"` // how many there are, if known
	Video  bool   `json:"video,omitempty"`
	Lang   string `json:"lang"`
	Source string `json:"source"`
	Kind   string `json:"kind"`
	Label  Label  `json:"label"`
	// Pair is the number that prompts of a source share which were written as a contrast: the same words, another
	// label. It is 0 for prompts that stand alone.
	Pair int `json:"pair,omitempty"`
	// Tools says that the request offered tools, Schema that it asked for a JSON form.
	Tools  bool `json:"tools,omitempty"`
	Schema bool `json:"schema,omitempty"`
	// Weak and Strong are the scores, 0 to 1, of the direct and of the thinking answer.
	Weak   *float64 `json:"weak,omitempty"`
	Strong *float64 `json:"strong,omitempty"`
	// Tokens that the thinking answer took with its thoughts, and the direct one, 0 if unknown.
	Tokens     int `json:"tokens,omitempty"`
	WeakTokens int `json:"weak_tokens,omitempty"`
	// WeakSeconds and StrongSeconds are what the answers took, 0 if unknown.
	WeakSeconds   float64 `json:"weak_seconds,omitempty"`
	StrongSeconds float64 `json:"strong_seconds,omitempty"`
	// Marks are words about the request that no request brings; only Set.Mark heeds them.
	Marks []string `json:"marks,omitempty"`

	vector difficulty.Vector
}

func (e *Example) measured() bool { return e.Weak != nil && e.Strong != nil }

// pictured reports whether the request carries pictures. A clip counts as one: requests reach the router so too.
func (e *Example) pictured() bool { return e.Image || e.Video }

func (e *Example) features() *router.Features {
	f := &router.Features{Text: e.Text}
	if e.pictured() {
		f.Images = max(e.Images, 1)
	}
	return f
}

// group is what examples are balanced and held out by: outcomes are apart from labels of the same source.
func (e *Example) group() string {
	if e.measured() {
		return "outcomes:" + e.Source
	}
	return e.Source
}

// Set is training data.
type Set struct {
	Examples []*Example
	// Digest is the sha256 of the files in the order of their names.
	Digest string
}

// maxLine bounds a line of JSON.
const maxLine = 16 << 20

// Load reads JSONL files; a folder stands for the *.jsonl in it.
func Load(paths ...string) (*Set, error) {
	files, err := Files(paths...)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b string) int { return bytes.Compare([]byte(filepath.Base(a)), []byte(filepath.Base(b))) })
	s := &Set{}
	sum := sha256.New()
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("training data: %w", err)
		}
		sum.Write(data)
		if err := s.read(data); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if len(s.Examples) == 0 {
		return nil, fmt.Errorf("training data: no examples in %q", paths)
	}
	s.Digest = hex.EncodeToString(sum.Sum(nil))
	return s, nil
}

// Files replaces the folders among paths by the *.jsonl in them.
func Files(paths ...string) ([]string, error) {
	var files []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("training data: %w", err)
		}
		if !info.IsDir() {
			files = append(files, p)
			continue
		}
		found, err := filepath.Glob(filepath.Join(p, "*.jsonl"))
		if err != nil {
			return nil, fmt.Errorf("training data: %w", err)
		}
		files = append(files, found...)
	}
	return files, nil
}

func (s *Set) read(data []byte) error {
	return EachLine(bytes.NewReader(data), maxLine, func(line []byte) error {
		e := &Example{}
		if err := json.Unmarshal(line, e); err != nil {
			return err
		}
		switch {
		case e.Text == "" || e.Source == "":
			return errors.New("text and source are needed")
		case e.measured():
		case e.Label != LabelInstruct && e.Label != LabelThinking && e.Label != LabelUnsure:
			return errors.New("label must be instruct, thinking or unsure, or weak and strong be given")
		}
		e.vector = difficulty.Features(e.features())
		s.Examples = append(s.Examples, e)
		return nil
	})
}

// EachLine calls f with each line that is not blank. A line of bound bytes or more is an error; errors name the line.
func EachLine(r io.Reader, bound int, f func(line []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, bound)
	n := 1
	for ; lines.Scan(); n++ {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			if err := f(line); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n, err)
	}
	return nil
}

// Mark makes features of the examples' marks, for validations that ask what knowing them would be worth. Weights fitted
// afterwards are of no use: no request is marked.
func (s *Set) Mark() {
	for _, e := range s.Examples {
		for _, m := range e.Marks {
			e.vector.Mark(m)
		}
	}
}

// Without drops the examples of some sources.
func Without(examples []*Example, sources []string) []*Example {
	return slices.DeleteFunc(slices.Clone(examples), func(e *Example) bool { return slices.Contains(sources, e.Source) })
}
