package web

import (
	"net/http"
	"testing"
)

func TestNamesOfTheClientAreLeftOutOfPaths(t *testing.T) {
	v := newVocabulary([]byte("messages: {content: x, image_url: y}\n  X-Route: z\n"))
	for path, want := range map[string]string{
		"": "", "messages[0].content[12].image_url": "messages[0].content[12].image_url", "X-Route": "X-Route",
		"messages[0].mine": "messages[0].…", "mine": "…", "a.b[c]": "….…[…]", "..": "..",
	} {
		if got := v.path(path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

func TestWordsForMethodsAreOurs(t *testing.T) {
	for method, want := range map[string]string{http.MethodGet: "GET", http.MethodDelete: "DELETE", "hunter2": "other", "get": "other"} {
		if got := methodWord(method); got != want {
			t.Errorf("%s becomes %s", method, got)
		}
	}
}
