package tokenizer_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/engine/tokenizer"
)

// texts of about a megabyte.
func benchTexts(tb testing.TB) map[string]string {
	tb.Helper()
	const size = 1 << 20
	fill := func(s string) string {
		n := (size + len(s) - 1) / len(s) * len(s)
		return strings.Repeat(s, n/len(s))
	}
	prose, err := os.ReadFile("../../docs/ROUTER.md")
	if err != nil {
		tb.Fatal(err)
	}
	code, err := os.ReadFile("../../style_test.go")
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	letters := make([]byte, size)
	for i := range letters {
		letters[i] = "abcdefghijklmnopqrstuvwxyz"[rng.IntN(26)]
	}
	var han strings.Builder
	for han.Len() < size {
		han.WriteRune(rune(0x4e00 + rng.IntN(3000)))
	}
	marks := make([]rune, size/2)
	for i := range marks {
		marks[i] = rune(0x300 + rng.IntN(0x40))
	}
	const vietnamese = "Tôi có thể ăn thủy tinh mà không hại gì. Bãi biển Đà Nẵng rất đẹp. "
	return map[string]string{
		"prose": fill(string(prose)), "code": fill(string(code)), "vietnamese": fill(vietnamese), "decomposed": fill(norm.NFD.String(vietnamese)),
		"letter": fill("a"), "blank": fill(" "), "dash": fill("-"), "newline": fill("\n"), "letters": string(letters), "han": fill("的"),
		"hans": han.String(), "mark": "e" + fill("\u0301"), "marks": "e" + string(marks), "arabic": fill("أنا قادر على أكل الزجاج "),
		"korean": fill(norm.NFD.String("키스의 고유조건은 입술끼리 ")), "digits": fill("0123456789"), "emoji": fill("👩‍👩‍👧‍👦"),
	}
}

func BenchmarkEncode(b *testing.B) {
	tok := load(b)
	for name, text := range benchTexts(b) {
		b.Run(name, func(b *testing.B) {
			if !utf8.ValidString(text) {
				b.Fatal("not UTF-8")
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				encode(b, tok, text, false)
			}
			used := processorTime(b) - before
			b.ReportMetric(float64(len(text)*b.N)/1e6/used.Seconds(), "MB/cpu-s")
		})
	}
}

// processorTime is what this process has used of the processors: on a machine with other work the clock says little.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func BenchmarkNew(b *testing.B) {
	f, err := gguf.Read(vocabularyPath())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := tokenizer.New(f.Vocabulary()); err != nil {
			b.Fatal(err)
		}
	}
}
