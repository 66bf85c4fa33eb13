package answer

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestStopStringsNeverLeakAPrefix(t *testing.T) {
	cases := map[string]struct {
		o     Options
		add   []string
		shown []string // after each Add, then after Close
		stop  string
	}{
		"none":                  {Options{}, []string{"a", "b"}, []string{"a", "b", ""}, ""},
		"in one token":          {Options{Stop: []string{"X"}}, []string{"aXb", "c"}, []string{"a", "", ""}, "X"},
		"over tokens":           {Options{Stop: []string{"END"}}, []string{"aE", "N", "Db"}, []string{"a", "", "", ""}, "END"},
		"false start":           {Options{Stop: []string{"END"}}, []string{"aE", "N", "db"}, []string{"a", "", "ENdb", ""}, ""},
		"unfinished":            {Options{Stop: []string{"END"}}, []string{"aEN"}, []string{"a", "EN"}, ""},
		"overlapping start":     {Options{Stop: []string{"aab"}}, []string{"a", "a", "a", "b"}, []string{"", "", "a", "", ""}, "aab"},
		"earliest wins":         {Options{Stop: []string{"c", "b"}}, []string{"abc"}, []string{"a", ""}, "b"},
		"longest of equals":     {Options{Stop: []string{"b", "bc"}}, []string{"abc"}, []string{"a", ""}, "bc"},
		"empty string":          {Options{Stop: []string{""}}, []string{"ab"}, []string{"ab", ""}, ""},
		"character over tokens": {Options{}, []string{"\xed\x95", "\x9c!"}, []string{"", "한!", ""}, ""},
		"broken at the end":     {Options{}, []string{"a\xed\x95"}, []string{"a", ""}, ""},
		"broken inside":         {Options{}, []string{"a\xffb"}, []string{"a\uFFFDb", ""}, ""},
		"stop in Korean":        {Options{Stop: []string{"끝"}}, []string{"\xeb", "\x81", "\x9d나"}, []string{"", "", "", ""}, "끝"},
		"not while thinking": {
			Options{Stop: []string{"X"}, Thinking: true, EndTag: "</t>"},
			[]string{"aX", "b</t", ">cX", "d"},
			[]string{"aX", "b</t", ">c", "", ""},
			"X",
		},
		"not across the tag": {
			Options{Stop: []string{">c"}, Thinking: true, EndTag: "</t>"}, []string{"a</t>c>c"}, []string{"a</t>c", ""}, ">c",
		},
		"tag in one token": {
			Options{Stop: []string{"X"}, Thinking: true, EndTag: "</t>"}, []string{"X", "</t>", "bX"}, []string{"X", "</t>", "b", ""}, "X",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := New(tc.o)
			for i, a := range tc.add {
				if got := text.Add([]byte(a)); got != tc.shown[i] {
					t.Errorf("after %q: %q, want %q", a, got, tc.shown[i])
				}
			}
			if got, want := text.Close(), tc.shown[len(tc.add)]; got != want {
				t.Errorf("at the end %q, want %q", got, want)
			}
			if text.Stopped() != tc.stop {
				t.Errorf("stopped by %q, want %q", text.Stopped(), tc.stop)
			}
		})
	}
}

func TestThinkingEndsWithItsTag(t *testing.T) {
	text := New(Options{Thinking: true, EndTag: "</t>"})
	for _, part := range []string{"a<", "/", "t", ">"} {
		if !text.Thinking() {
			t.Fatalf("ended before %q", part)
		}
		text.Add([]byte(part))
	}
	if text.Thinking() {
		t.Error("did not end")
	}
}

// Whatever the token borders, the shown text is the same.
func TestTokenBordersDoNotChangeTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		full := rapid.StringOfN(rapid.SampledFrom([]rune("abE한\n</t>")), 0, 40, -1).Draw(t, "text")
		o := Options{Stop: []string{"ab", "bE한", "\n\n"}, Thinking: rapid.Bool().Draw(t, "thinking"), EndTag: "</t>"}
		whole := New(o)
		want := whole.Add([]byte(full)) + whole.Close()
		split := New(o)
		var got strings.Builder
		for rest := full; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			out := split.Add([]byte(rest[:n]))
			if !utf8.ValidString(out) {
				t.Fatalf("%q is not UTF-8", out)
			}
			got.WriteString(out)
			rest = rest[n:]
		}
		got.WriteString(split.Close())
		if got.String() != want || split.Stopped() != whole.Stopped() || split.Released() != whole.Released() {
			t.Fatalf("%q split gives %q (%q), whole %q (%q)", full, got.String(), split.Stopped(), want, whole.Stopped())
		}
	})
}

func TestACharacterThatIsCutOffIsDropped(t *testing.T) {
	for in, want := range map[string]string{
		"caf\xc3": "caf", "\xf0\x9f\x98": "", "ok\xe2\x82": "ok", "whole \xc3\xa9": "whole \u00e9", "broken \xff.": "broken \ufffd.",
	} {
		a := New(Options{})
		got := a.Add([]byte(in))
		got += a.Close()
		if got != want || a.Released() != len(in) {
			t.Errorf("%q: %q, %d bytes told", in, got, a.Released())
		}
	}
}
