package jsonbody

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) *Value {
	t.Helper()
	v, err := Parse([]byte(text), Bounds{Depth: 8, Values: 100})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestBodiesAreReadStrictly(t *testing.T) {
	for text, says := range map[string]string{
		"":                                "unexpected end",
		`{"a":1,"a":1}`:                   `duplicate key "a"`,
		`{"a":1,"\u0061":1}`:              `duplicate key "a"`,
		`[1,]`:                            "unexpected character",
		`{"a":1} x`:                       "unexpected data",
		"\"\xff\"":                        "invalid UTF-8",
		`NaN`:                             "unexpected character",
		`01`:                              "malformed number",
		`[[[[1]]]]`:                       "nested deeper than 3",
		`[1,2,3,4,5,6,7,8,9,0]`:           "more than 10 values",
		`{"a":[1,2,3],"b":[1,2,3,4,5,6]}`: "more than 10 values",
	} {
		if _, err := Parse([]byte(text), Bounds{Depth: 3, Values: 10}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if v, err := Parse([]byte(`[[[1]],2,3,4,5,6,7]`), Bounds{Depth: 3, Values: 10}); err != nil || len(v.Items) != 7 {
		t.Errorf("%v", err)
	}
}

// Half of a character in JSON's escapes stands for no text. Clients cut strings in the middle, so it is not refused.
func TestLoneSurrogatesBecomeReplacements(t *testing.T) {
	for text, want := range map[string]string{
		`"\ud83d\ude00"`: "😀", `"a\ud83db"`: "a\uFFFDb", `"\ude00"`: "\uFFFD", `"\ud83d"`: "\uFFFD", `"\ud83d\ud83d\ude00"`: "\uFFFD😀",
	} {
		var r Reader
		if got := r.Text(parse(t, text), "a"); got != want || !r.OK() {
			t.Errorf("%s: %q, %v", text, got, r.Err())
		}
	}
}

func TestIntegers(t *testing.T) {
	const whole, between = "must be an integer", "must be an integer between -9 and 9"
	for text, want := range map[string]struct {
		n    int64
		says string
	}{
		"5": {5, ""}, "-9": {-9, ""}, "9": {9, ""}, "-0": {0, ""}, "5.0": {5, ""}, "5e0": {5, ""}, "0.5e1": {5, ""}, "50e-1": {5, ""},
		"5.5": {0, whole}, "1e400": {0, whole}, "1e300": {0, whole}, "9007199254740993.0": {0, whole},
		"10": {0, between}, "-10": {0, between}, "9223372036854775808": {0, between}, "1e1": {0, between},
		`"5"`: {0, "must be a number, not a string"}, "true": {0, "must be a number, not a boolean"}, "null": {0, "must be a number, not null"},
		"[]": {0, "must be a number, not an array"}, "{}": {0, "must be a number, not an object"},
	} {
		var r Reader
		got := r.Integer(parse(t, text), "a[0].b", -9, 9)
		if got != want.n || (want.says == "") != r.OK() {
			t.Errorf("%s: %d, %v", text, got, r.Err())
		}
		if want.says != "" && r.Err().Error() != "a[0].b: "+want.says {
			t.Errorf("%s: %v", text, r.Err())
		}
	}
	var r Reader
	if got := r.Integer(parse(t, "-9223372036854775808"), "", math.MinInt64, math.MaxInt64); got != math.MinInt64 || !r.OK() {
		t.Errorf("%d, %v", got, r.Err())
	}
}

func TestNumbersHaveBounds(t *testing.T) {
	for text, good := range map[string]bool{
		"0": true, "-0.0": true, "2": true, "2.0": true, "1e-400": true, "0.5": true,
		"2.0000001": false, "-0.1": false, "1e400": false, "-1e400": false, `"1"`: false,
	} {
		var r Reader
		if got := r.Number(parse(t, text), "a", 0, 2); r.OK() != good || !good && got != 0 {
			t.Errorf("%s: %v, %v", text, got, r.Err())
		}
	}
	var r Reader
	if r.Number(parse(t, "3"), "a", 0, 2); r.Err().Message != "must be between 0 and 2" || r.Err().Code != InvalidValue {
		t.Errorf("%+v", r.Err())
	}
}

func TestTheFirstErrorStays(t *testing.T) {
	var r Reader
	v := parse(t, `{"a":1,"b":"x","c":true,"d":null}`)
	if r.Text(v.Get("b"), "b") != "x" || !r.Flag(v.Get("c"), "c") || r.OneOf(v.Get("b"), "b", "y", "x") != "x" || !r.OK() {
		t.Errorf("%v", r.Err())
	}
	if r.Text(v.Get("a"), "a") != "" || r.Flag(v.Get("b"), "b") || r.Want(v, "", Array) {
		t.Error("a value was read as another type")
	}
	r.Fail("z", Missing, "later")
	want := &Error{Path: "a", Code: InvalidValue, Message: "must be a string, not a number"}
	if diff := cmp.Diff(want, r.Err()); diff != "" || r.OK() {
		t.Error(diff)
	}
	r = Reader{}
	if r.OneOf(v.Get("b"), "b", "y", "z"); r.Err().Message != `must be one of y, z, not "x"` {
		t.Errorf("%v", r.Err())
	}
	r = Reader{}
	r.Refuse(&Error{Path: "p", Details: 1})
	if r.Err().Details != 1 {
		t.Errorf("%+v", r.Err())
	}
}

func TestMembersMayBeMissingOrNull(t *testing.T) {
	v := parse(t, `{"text":"x","flag":true,"none":null,"empty":"","n":1}`)
	var r Reader
	if r.OptionalText(v, "", "text") != "x" || r.OptionalText(v, "", "none") != "" || r.OptionalText(v, "", "gone") != "" ||
		!r.OptionalFlag(v, "", "flag") || r.OptionalFlag(v, "", "none") || r.Member(v, "a", "text") != "x" || r.Member(v, "a", "empty") != "" {
		t.Error("members are read otherwise")
	}
	r.Needs(v, "text", "empty")
	if !r.OK() {
		t.Fatal(r.Err())
	}
	for path, read := range map[string]func(r *Reader){
		"n":      func(r *Reader) { r.OptionalText(v, "", "n") },
		"a.n":    func(r *Reader) { r.OptionalFlag(v, "a", "n") },
		"a.none": func(r *Reader) { r.Member(v, "a", "none") },
		"gone":   func(r *Reader) { r.Needs(v, "text", "gone", "none") },
	} {
		var r Reader
		if read(&r); r.OK() || r.Err().Path != path {
			t.Errorf("%s: %v", path, r.Err())
		}
	}
	if Present(v, "none") != nil || Present(v, "gone") != nil || Present(v.Get("n"), "x") != nil || MemberText(v, "n") != "" || TextOf(nil) != "" {
		t.Error("what is not there is present")
	}
	if OrEmpty(nil).Kind != String || TextOf(OrEmpty(nil)) != "" || OrEmpty(v) != v || OrEmptyList(nil).Kind != Array || OrEmptyList(v) != v {
		t.Error("what is missing reads otherwise")
	}
}

func TestWhatIsKeptOutlivesItsBody(t *testing.T) {
	body := []byte(`{"a":[1, 2]}`)
	v, err := Parse(body, Bounds{Depth: 2, Values: 9})
	if err != nil {
		t.Fatal(err)
	}
	kept := RawCopy(v.Get("a"))
	clear(body)
	if string(kept) != "[1, 2]" {
		t.Errorf("%q", kept)
	}
	if got := string(Quote("a\"<é\n")); got != `"a\"<é\n"` {
		t.Error(got)
	}
	if At("a.b", 3) != "a.b[3]" {
		t.Error(At("a.b", 3))
	}
	if s := strings.Repeat("x", 59) + "é!"; Abbreviate(s) != s[:59]+"..." || Abbreviate(s[:60-1]) != s[:59] {
		t.Errorf("%q", Abbreviate(s))
	}
}

func FuzzReaders(f *testing.F) {
	for _, text := range []string{`{"a":1e5}`, `"\ud800"`, "5.0", "-9223372036854775809", `[null,{"b":[]}]`, "1e-999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse([]byte(text), Bounds{Depth: 8, Values: 100})
		if err != nil {
			return
		}
		var r Reader
		if n := r.Integer(v, "p", -100, 100); r.OK() && (n < -100 || n > 100) {
			t.Fatalf("%s is %d", text, n)
		}
		r = Reader{}
		if n := r.Number(v, "p", -1, 1); r.OK() && !(n >= -1 && n <= 1) {
			t.Fatalf("%s is %v", text, n)
		}
		r = Reader{}
		if s := r.Text(v, "p"); !r.OK() && (s != "" || r.Err().Path != "p") || strings.ToValidUTF8(s, "") != s {
			t.Fatalf("%s is %q, %v", text, s, r.Err())
		}
	})
}
