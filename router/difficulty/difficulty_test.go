package difficulty_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

func shipped(tb testing.TB) *difficulty.Model {
	tb.Helper()
	m, err := difficulty.Default()
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func thinks(m *difficulty.Model, f *router.Features) bool {
	a := m.Assess(f)
	return a.Thinking-a.Instruct > m.Price(a.Tokens, router.DefaultQuality)
}

func TestShippedWeightsSeparateHardFromEasy(t *testing.T) {
	tests := []struct {
		text   string
		images int
		think  bool
		kind   string
	}{
		{"Hello! How are you today?", 0, false, "chat"},
		{"Describe this image.", 1, false, "recognition"},
		{"What does the sign say?", 1, false, "text reading"},
		{"Prove that the square root of 2 is irrational.", 0, true, "math"},
		{"Find all integers n such that n^2 + 3n + 5 is divisible by 121.", 0, true, "math"},
		{"求证：任意五个整数中必有三个数的和能被3整除。", 0, true, ""},
		{"请描述这张图片。", 1, false, "recognition"},
		{"방정식 x^2 - 5x + 6 = 0 의 두 근의 제곱의 합을 구하시오.", 0, true, "math"},
		{"안녕하세요, 오늘 기분이 어때요?", 0, false, "chat"},
		{"이 영수증의 총액은 얼마인가요?", 1, false, "text reading"},
		{"この三角形の面積を求めよ。辺の長さは3, 4, 5である。", 1, true, "image math"},
		{"看板の文字を読んでください", 1, false, ""},
		{"", 0, false, ""},
	}
	m := shipped(t)
	for _, tt := range tests {
		f := router.Features{Text: tt.text, Images: tt.images}
		a := m.Assess(&f)
		kind, reasons := m.Explain(&f, tt.think)
		if thinks(m, &f) != tt.think || tt.kind != "" && kind != tt.kind {
			t.Errorf("%q: %+v, %s, %q", tt.text, a, kind, reasons)
		}
		if tt.text != "" && len(reasons) == 0 {
			t.Errorf("%q: no reasons", tt.text)
		}
		if diff := cmp.Diff(a, m.Assess(&f)); diff != "" {
			t.Errorf("%q is not scored the same twice:\n%s", tt.text, diff)
		}
	}
}

func TestMoreQualityNeverThinksLess(t *testing.T) {
	m := shipped(t)
	for _, tokens := range []float64{100, 1000, 30000} {
		last := m.Threshold(m.Price(tokens, 0))
		if last != 1 {
			t.Errorf("quality 0 has threshold %g, want one that nothing exceeds", last)
		}
		for q := 1.0; q <= 10; q++ {
			next := m.Threshold(m.Price(tokens, q))
			if next > last {
				t.Errorf("quality %g: threshold %g, above %g", q, next, last)
			}
			last = next
		}
	}
}

func TestFileOfWeightsComesBackTheSame(t *testing.T) {
	m := shipped(t)
	file, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := difficulty.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	f := router.Features{Text: "How many primes are there below 100?", Images: 1}
	if diff := cmp.Diff(m.Assess(&f), again.Assess(&f)); diff != "" || m.Version != again.Version {
		t.Errorf("version %s, then %s:\n%s", m.Version, again.Version, diff)
	}
	for name, broken := range map[string][]byte{
		"empty": nil, "another format": []byte("GGUF"), "cut off": file[:len(file)/2],
		"damaged":           append(bytes.Clone(file[:len(file)-5]), 1, 2, 3, 4, 5),
		"of other features": bytes.Replace(file, fmt.Appendf(nil, `"features":%d`, difficulty.FeatureVersion), []byte(`"features":9`), 1),
	} {
		if _, err := difficulty.Load(broken); err == nil {
			t.Errorf("weights that are %s load", name)
		}
	}
}

func prompt(n int) string {
	s := ""
	for _, w := range strings.Fields(strings.Repeat("What is the average height of the 12 buildings in this picture, and which one of them is tallest? ", 99)) {
		if len(s) >= n {
			break
		}
		s += w + " "
	}
	return s
}

// A text that grows beyond all bounds when it is normalised is cut. What is left of it must not get into the next one.
func TestATextThatIsCutLeavesTheNextAlone(t *testing.T) {
	next := router.Features{Text: "\xff\xfe한국어 \\frac{1}{2} ①②③"}
	want := shipped(t).Assess(&next)
	m := shipped(t)
	for range 3 {
		m.Assess(&router.Features{Text: strings.Repeat("ﷺ", 3000)})
		if got := m.Assess(&next); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func FuzzAssessIsTotal(f *testing.F) {
	f.Add("prove 1+1=2", 1)
	f.Add("\xff\xfe한국어 \\frac{1}{2} ①②③", 0)
	f.Add(strings.Repeat("ﷺ", 3000), 9)
	m := shipped(f)
	f.Fuzz(func(t *testing.T, text string, images int) {
		p := router.Features{Text: text, Images: images}
		a := m.Assess(&p)
		if !(a.Score >= 0 && a.Score <= 1 && a.Tokens > 0 && a.Instruct >= 0 && a.Thinking <= 1) {
			t.Errorf("assessment %+v", a)
		}
		m.Explain(&p, true)
	})
}

func BenchmarkAssess(b *testing.B) {
	m := shipped(b)
	for name, n := range map[string]int{"55B": 55, "1KB": 1024, "4KB": 4096} {
		f := router.Features{Text: prompt(n), Images: 1}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Assess(&f)
			}
		})
	}
}
