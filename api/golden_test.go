package api

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenAnswers are what the engine says to each request of testdata/golden.
func goldenAnswers(name string) []engine.Event {
	switch {
	case strings.Contains(name, "tool"):
		return text("I ", "ask.\n<tool_", "call>\n{\"name\": \"add\", \"arguments\": {\"a\"", ": 1}}\n</tool_call>")
	case strings.Contains(name, "thinking"):
		return text("One ", "and one.\n</th", "ink>\n\nTwo", ".")
	}
	return text("Two", ".")
}

// Each file of testdata/golden has a request, "POST path body", the prompt that it becomes and what is answered, apart
// by lines of "====". go test ./api -run Golden -update writes the latter two anew.
func TestGoldenRequestsBecomePromptsAndAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	created := regexp.MustCompile(`"(created|created_at|completed_at)":\d+`)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			const bar = "\n====\n"
			request, _, _ := strings.Cut(string(data), bar)
			path, body, ok := strings.Cut(strings.TrimPrefix(request, "POST "), " ")
			if !ok {
				t.Fatal("no request")
			}
			s := newSite(t, numbered)
			s.instruct.Events, s.thinking.Events = goldenAnswers(name), goldenAnswers(name)
			got := s.post(path, body)
			prompt := "nothing"
			for _, e := range []*enginetest.Fake{s.instruct, s.thinking} {
				if e.Last() != nil {
					prompt = pieces(e.Last())
				}
			}
			answer := created.ReplaceAllString(strings.TrimSpace(string(got.body)), `"$1":0`)
			now := request + bar + prompt + bar + answer + "\n"
			if *update {
				if err := os.WriteFile(file, []byte(now), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if now != string(data) {
				t.Errorf("now\n%s\nwant\n%s", now, data)
			}
			if got.status != http.StatusOK {
				t.Errorf("status %d", got.status)
			}
		})
	}
}
