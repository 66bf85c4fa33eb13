package difficulty_test

import (
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/router"
)

// What asks for nothing, or what nobody could think about, is answered at once.
func TestNothingToThinkAboutIsNotThoughtAbout(t *testing.T) {
	const listing = "def area(w, h):\n    return w * h\n\n\nclass Box:\n    def __init__(self, w, h):\n        self.w, self.h = w, h\n"
	tests := []struct {
		name   string
		images int
		texts  []string
	}{
		{"nothing", 0, []string{"", " ", "\n\n", "...", "?", "???", "!", "。"}},
		{"only a picture", 1, []string{"", " ", "?"}},
		{"one word", 0, []string{"hello", "banana", "why", "ok", "yes", "Danke", "gracias", "猫", "你好", "안녕", "네", "はい", "привет", "สวัสดี", "नमस्ते", "مرحبا"}},
		{"one word about a picture", 1, []string{"this?", "what", "describe", "colour?", "这是?", "뭐야", "これは", "что?", "qué"}},
		{"nonsense", 0, []string{"asdf qwer zxcv", "lkjh", "blorp fnord", "aaaaaaaaaaaaaaaaaaaa", "xX_xX", "ㅁㄴㅇㄹ", "ああああ", strings.Repeat("la ", 40)}},
		{"no language", 0, []string{"42", "😀😀😀", "https://example.org/a/b?c=d", "2026-11-26", "+49 30 1234567", "a@b.example"}},
		{"only code", 0, []string{listing, "```go\nfunc main() { println(\"hi\") }\n```", "<p>Hello</p>", "SELECT name FROM users;"}},
		{"other scripts", 0, []string{"Γεια σου, τι κάνεις;", "გამარჯობა", "שלום, מה נשמע?", "வணக்கம்", "ሰላም", "Բարեւ", "ສະບາຍດີ", "សួស្តី"}},
	}
	m := shipped(t)
	for _, tt := range tests {
		for _, text := range tt.texts {
			f := router.Features{Text: text, Images: tt.images}
			if thinks(m, &f) {
				_, reasons := m.Explain(&f, true)
				t.Errorf("%s: %q is thought about: %+v, %q", tt.name, text, m.Assess(&f), reasons)
			}
		}
	}
}

// Words around a question do not hide it: what is asked stands first, last, or between what it is about.
func TestAHardQuestionIsFoundWhereverItStands(t *testing.T) {
	const about = "We keep the old books of the parish in the tower. They are heavy, bound in leather, and nobody has opened them for years. " +
		"My aunt used to dust them every spring, and she liked the smell."
	const hard = "Prove that there are infinitely many primes that leave a remainder of three when divided by four."
	m := shipped(t)
	for name, text := range map[string]string{
		"alone": hard, "first": hard + " " + about, "last": about + " " + hard, "between": about + " " + hard + " Thank you so much.",
	} {
		f := router.Features{Text: text}
		if !thinks(m, &f) {
			_, reasons := m.Explain(&f, false)
			t.Errorf("%s: answered at once: %+v, %q", name, m.Assess(&f), reasons)
		}
	}
}
