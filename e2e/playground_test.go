package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestPlaygroundFirstVisit(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	if samples := js[int](b, `document.querySelectorAll(".sample").length`); samples < 15 {
		t.Errorf("%d samples are offered", samples)
	}
	b.shoot("first-visit")
	b.click(".samples li:nth-child(2) .sample")
	b.run(chromedp.KeyEvent("\r"))
	if text := b.answered(1); !strings.Contains(text, "green") {
		t.Errorf("the first sample is answered with %q", text)
	}
	b.shoot("answer")
}
