package nearest

import (
	"strings"
	"testing"
)

func TestTheNearestKnownNameIsFound(t *testing.T) {
	known := []string{"listen", "shutdown_timeout", "reasoning_field", "log", "limits", "media", "keys", "tls", "temperature", "top_p", "top_k", "fps"}
	for name, want := range map[string]string{
		"lissten": "listen", "Listen": "listen", "shutdown-timeout": "shutdown_timeout", "shutdown_timeuot": "shutdown_timeout",
		"key": "keys", "lgo": "log", "temprature": "temperature", "temperatur": "temperature", "topp": "top_p", "top_q": "top_p",
		"fsp": "fps", "xyz": "", "a": "", "": "", "completely_different": "", strings.Repeat("listen", 1<<20): "",
		"medien": "media", "läg": "log",
	} {
		if got := Name(name, known); got != want {
			t.Errorf("%.20s: %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
