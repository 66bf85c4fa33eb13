package pyjson

import (
	"math"
	"strings"
	"testing"
)

// The expected texts are what json.dumps(json.loads(text), ensure_ascii=False) gives in Python 3.
func TestTextIsPythons(t *testing.T) {
	for text, want := range map[string]string{
		`{"b":1,"a":[],"b":{}}`:                                                        `{"b": {}, "a": []}`,
		`"\u2028\u007f\/\"\\\b\f\n\r\t\u0001é😀\ud800"`:                                 "\"\u2028\u007f/\\\"\\\\\\b\\f\\n\\r\\t\\u0001é😀\uFFFD\"",
		`[-0,-0.0,1E2,1e16,1.5e-5,0.0001,1e400,-1e400,123456789012345678901234567890]`: `[0, -0.0, 100.0, 1e+16, 1.5e-05, 0.0001, Infinity, -Infinity, 123456789012345678901234567890]`,
		"\"\xff\xfe\"": "\"\uFFFD\uFFFD\"",
	} {
		v, err := Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := Text(v); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got := Float(math.NaN()); got != "NaN" {
		t.Error(got)
	}
	for _, text := range []string{"", "{", `{"a":1} 2`, strings.Repeat("[", MaxDepth+2), "\xff"} {
		if _, err := Parse([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "not valid JSON: ") {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func TestQuoteASCII(t *testing.T) {
	if got := string(QuoteASCII("ß")(nil, "aé😀ß\u007f\n")); got != `"a\u00e9\ud83d\ude00ß\u007f\n"` {
		t.Error(got)
	}
}
