package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// firstSample is a question about a green star and a blue cross.
const firstSample = ".samples li:nth-child(2) .sample"

func TestPlaygroundFirstVisit(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	if samples := js[int](b, `document.querySelectorAll(".sample").length`); samples < 15 {
		t.Errorf("%d samples are offered", samples)
	}
	b.shoot("first-visit")
	b.click(firstSample)
	b.run(chromedp.KeyEvent("\r"))
	if text := b.answered(1); !strings.Contains(text, "green") {
		t.Errorf("the first sample is answered with %q", text)
	}
	if left := js[string](b, `document.querySelector("#composer-input").value`); left != "" {
		t.Errorf("%q is left where one writes", left)
	}
	b.shoot("answer")
	// What was asked is kept, and there after a reload.
	b.run(chromedp.Reload())
	b.until(`document.querySelector(".shelf-open")`)
	b.click(".shelf-open")
	b.until(`document.querySelector(".turn.assistant")?.innerText.includes("green")`)
}

func TestPlaygroundTakesAPastedPicture(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.paste("image/png", "star.png", example(t, "colour.png", "image/png"))
	b.write("Tell me the colour of the star.")
	b.until(`document.querySelector(".verdict.instruct, .verdict.thinking")`)
	b.shoot("paste")
	b.run(chromedp.KeyEvent("\r"))
	if text := b.answered(1); !strings.Contains(text, "green") {
		t.Errorf("%q", text)
	}
	if sent := js[int](b, `document.querySelectorAll(".turn.user img").length`); sent != 1 {
		t.Errorf("%d pictures stand in the conversation", sent)
	}
}

// The answer comes of the same sequence, soon after the thoughts are ended.
func TestPlaygroundAnswersNow(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.choose("Who answers", "thinking")
	b.until(`!document.querySelector(".send.busy")`)
	// A greedy answer of the demo pair thinks for longer about what it does not know.
	js[bool](b, `(async () => { const { settings } = await import("/playground/js/settings.js"); settings.max_tokens = "4000"; return true; })()`)
	pressed := js[bool](b, `(async () => {
		const form = document.querySelector(".composer");
		for (let i = 0; i < 8; i++) {
			document.querySelector(".new-chat").click();
			const input = document.querySelector("#composer-input");
			input.value = "Sam has 38 apples, buys 8, buys 14, sells 1, buys 33, sells 12, buys 41, buys 7, sells 20. How many apples does Sam have now?";
			form.requestSubmit();
			for (let waited = 0; waited < 3000; waited++) {
				const button = document.querySelector(".think .pill-button");
				if (button && !button.hidden && !button.disabled && button.closest(".think").classList.contains("live")) {
					button.click();
					return true;
				}
				if (document.querySelector(".turn.assistant .markdown")?.innerText && !document.querySelector(".send.busy")) break;
				await new Promise((resolve) => setTimeout(resolve, 2));
			}
		}
		return false;
	})()`)
	if !pressed {
		t.Fatal("the thoughts were over before they could be ended")
	}
	if text := b.answered(1); text == "" {
		t.Error("no answer came")
	}
	b.until(`document.querySelector(".think-count").innerText.includes("ended by")`)
	b.expect("409") // the thoughts may have been over a moment before
}

// What the built-in pair says of places is rough, so what the server would send comes from the test.
func TestPlaygroundDrawsBoxesOverThePicture(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	js[bool](b, `(() => {
		const real = window.fetch;
		window.fetch = async (path, options) => {
			if (path !== "/v1/chat/completions") return real(path, options);
			const chunks = ['[{"bbox_2d": [695, 745, 89', '0, 930], "label": "blue', ' cross"}, {"point_2d": [845, 540], "label": "star"}]'];
			const line = (delta, finish) => "data: " + JSON.stringify({id: "chatcmpl-x", model: "qwen3-vl-instruct", choices: [{index: 0, delta, finish_reason: finish}]}) + "\n\n";
			const text = new TextEncoder();
			return new Response(new ReadableStream({
				async start(c) {
					for (const part of chunks) {
						c.enqueue(text.encode(line({content: part}, null)));
						await new Promise((resolve) => setTimeout(resolve, 30));
						window.boxesSeen = [...(window.boxesSeen ?? []), document.querySelectorAll(".boxes .box").length];
					}
					c.enqueue(text.encode(line({}, "stop") + "data: [DONE]\n\n"));
					c.close();
				},
			}), {headers: {"Content-Type": "text/event-stream", "X-Qwenvld-Variant": "instruct"}});
		};
		return true;
	})()`)
	b.paste("image/png", "colour.png", example(t, "colour.png", "image/png"))
	b.ask("Find the cross and the star.")
	b.answered(1)
	if shapes := js[[]string](b, `[...document.querySelectorAll(".boxes .box")].map((e) => e.localName)`); !slices.Equal(shapes, []string{"rect", "g"}) {
		t.Fatalf("drawn are %q", shapes)
	}
	if labels := js[[]string](b, `[...document.querySelectorAll(".box-label")].map((e) => e.innerText)`); !slices.Equal(labels, []string{"blue cross", "star"}) {
		t.Errorf("labels %q", labels)
	}
	// The picture on the page and the rectangle over it are in proportion.
	if off := js[float64](b, `(() => {
		const picture = document.querySelector(".grounding-picture img").getBoundingClientRect(), box = document.querySelector(".boxes rect").getBoundingClientRect();
		return Math.max(Math.abs((box.left - picture.left) / picture.width - 0.695), Math.abs((box.bottom - picture.top) / picture.height - 0.93));
	})()`); off > 0.03 {
		t.Errorf("the box is off by %v of the picture", off)
	}
	if out := js[[]string](b, `(() => {
		const picture = document.querySelector(".grounding-picture").getBoundingClientRect();
		return [...document.querySelectorAll(".box-label")].filter((e) => {
			const at = e.getBoundingClientRect();
			return at.left < picture.left || at.right > picture.right || at.top < picture.top - 2 || at.bottom > picture.bottom;
		}).map((e) => e.innerText);
	})()`); len(out) > 0 {
		t.Errorf("the labels %q leave the picture", out)
	}
	copied := func(format string) string {
		return js[string](b, `(async () => {
			const { Overlay } = await import("/playground/js/boxes.js");
			let text = "";
			navigator.clipboard.writeText = async (t) => { text = t; };
			[...document.querySelectorAll(".grounding-copy button")].find((e) => e.innerText === "`+format+`").click();
			await new Promise((resolve) => setTimeout(resolve, 20));
			return text;
		})()`)
	}
	size := js[[]int](b, `[document.querySelector(".grounding-picture img").naturalWidth, document.querySelector(".grounding-picture img").naturalHeight]`)
	want := fmt.Sprintf("blue cross,%.0f,%.0f,%.0f,%.0f", 0.695*float64(size[0]), 0.745*float64(size[1]), 0.89*float64(size[0]), 0.93*float64(size[1]))
	if csv := copied("CSV"); !strings.Contains(csv, want) {
		t.Errorf("%q lacks %q", csv, want)
	}
	if coco := copied("COCO"); !strings.Contains(coco, `"annotations"`) || !strings.Contains(coco, `"blue cross"`) {
		t.Errorf("%s", coco)
	}
	b.shoot("boxes")
}

// example is a file of the examples as a data URI.
func example(t *testing.T, name, kind string) string {
	t.Helper()
	data, err := os.ReadFile("../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
}

func TestPlaygroundFoldsThoughts(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.choose("Who answers", "thinking")
	b.ask("Sam has 38 apples, buys 8, buys 14, sells 1. How many apples does Sam have now?")
	if text := b.answered(1); !strings.Contains(text, "59") {
		t.Errorf("%q", text)
	}
	if js[bool](b, `document.querySelector(".think-fold").open`) {
		t.Error("the thoughts are unfolded at first")
	}
	if sentence := js[string](b, `document.querySelector(".think-sentence").innerText`); sentence == "" {
		t.Error("no last sentence of the thoughts is shown")
	}
	if count := js[string](b, `document.querySelector(".think-count").innerText`); !strings.Contains(count, "tokens") {
		t.Errorf("the counter says %q", count)
	}
	b.shoot("thinking")
	b.click(".think-fold summary")
	if thoughts := js[string](b, `document.querySelector(".think-text").innerText`); !strings.Contains(thoughts, "38") {
		t.Errorf("unfolded they say %q", thoughts)
	}
	if shown := js[string](b, `document.querySelector(".think-bar").getAttribute("aria-valuemax")`); shown == "0" {
		t.Error("the bar has no budget")
	}
}

func TestPlaygroundRouteSlider(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.write("Sam has 38 apples, buys 8, buys 14, sells 1. How many apples does Sam have now?")
	b.until(`document.querySelector(".verdict.instruct, .verdict.thinking")`)
	if ticks := js[int](b, `document.querySelectorAll(".ticks i").length`); ticks != 11 {
		t.Fatalf("%d qualities are shown", ticks)
	}
	b.slide("quality", 0)
	b.until(`document.querySelector(".verdict.instruct")`)
	b.slide("quality", 10)
	b.until(`document.querySelector(".verdict.thinking")`)
	flip := js[int](b, `[...document.querySelectorAll(".ticks i")].findIndex((i) => i.className === "thinking")`)
	if flip <= 0 {
		t.Fatalf("it flips at %d", flip)
	}
	// What is shown before is what happens.
	b.slide("quality", flip)
	b.until(`document.querySelector(".verdict.thinking")`)
	b.slide("quality", flip-1)
	b.until(`document.querySelector(".verdict.instruct")`)
	b.shoot("route")
}

func TestPlaygroundSideBySideGivesRouterData(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.choose("Who answers", "both")
	const questions = 3
	for i, q := range []string{"34 minus 14", "What is 17 plus 25?", "Sam has 38 apples, buys 8, buys 14, sells 1. How many apples does Sam have now?"} {
		b.click(".new-chat")
		b.ask(q)
		b.answered(1)
		if columns := js[int](b, `document.querySelectorAll(".columns .answer").length`); columns != 2 {
			t.Fatalf("%d answers stand side by side", columns)
		}
		b.click(fmt.Sprintf(".votes .vote:nth-of-type(%d)", 1+2*(i%2)))
		b.until(`document.querySelector('.vote[aria-pressed="true"]')`)
		b.until(fmt.Sprintf(`document.querySelector(".shelf-foot").innerText.includes("(%d)")`, i+1))
	}
	b.shoot("side-by-side")
	lines := js[string](b, `import("/playground/js/store.js").then((s) => s.votes()).then((v) => v.map((x) => JSON.stringify(x.line)).join("\n") + "\n")`)
	if n := strings.Count(lines, "\n"); n != questions {
		t.Fatalf("%d lines for %d votes:\n%s", n, questions, lines)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "outcomes.jsonl")
	// Fitting takes more than a few votes: here the same ones stand for many.
	if err := os.WriteFile(file, []byte(strings.Repeat(lines, 20)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary(t), "router", "calibrate", file, "-o", filepath.Join(dir, "router.weights")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "fitted to 60 outcomes") {
		t.Errorf("calibrate reads them as: %v\n%s", err, out)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(strings.SplitN(lines, "\n", 2)[0]), &line); err != nil || line["strong_seconds"] == 0.0 || line["tokens"] == 0.0 {
		t.Errorf("%v: %v", err, line)
	}
}

func TestPlaygroundShowsWhatTheModelSaw(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.click("#tab-saw")
	b.paste("image/png", "points.png", example(t, "points.png", "image/png"))
	b.until(`document.querySelector(".saw-picture")?.width > 0 && document.querySelector(".saw-item .rows dd")`)
	full := js[[]string](b, `[...document.querySelectorAll(".saw-item dd")].map((e) => e.innerText)`)
	if len(full) != 3 || full[0] != "132 × 121" {
		t.Errorf("%q", full)
	}
	b.shoot("seen")
	b.slide("max-pixels", 1)
	b.until(fmt.Sprintf(`document.querySelectorAll(".saw-item dd")[1].innerText !== %q`, full[1]))
}

func TestPlaygroundShowsTheFramesOfAVideo(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("no ffmpeg, so no video is read: make setup installs it")
	}
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.click("#tab-saw")
	b.paste("video/mp4", "star.mp4", example(t, "video.mp4", "video/mp4"))
	b.until(`document.querySelectorAll(".strip li canvas").length >= 4`)
	stamps := js[[]string](b, `[...document.querySelectorAll(".stamp")].map((e) => e.innerText)`)
	if len(stamps) < 2 || !strings.Contains(stamps[0], "seconds") {
		t.Errorf("stamps %q", stamps)
	}
	b.write("Where does the star go: left, right, up or down?")
	b.run(chromedp.KeyEvent("\r"))
	if text := b.answered(1); !strings.Contains(text, "right") {
		t.Errorf("%q", text)
	}
	b.shoot("video")
}

func TestPlaygroundDarkAndNarrow(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.device(1360, 860, true)
	b.open()
	if background := js[string](b, `getComputedStyle(document.body).backgroundColor`); background != "rgb(19, 19, 26)" {
		t.Errorf("in the dark the page is %s", background)
	}
	b.click(firstSample)
	b.run(chromedp.KeyEvent("\r"))
	b.answered(1)
	b.shoot("dark")
	b.device(360, 740, false)
	b.until(`innerWidth === 360`)
	b.shoot("narrow")
	if wide := js[int](b, `document.documentElement.scrollWidth`); wide > 360 {
		t.Errorf("at 360 pixels the page is %d wide", wide)
	}
	for _, button := range []string{".send", ".tools .icon-button", ".top .icon-button"} {
		if !js[bool](b, fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return r.left >= 0 && r.right <= 360 && r.width > 0 })()`, button)) {
			t.Errorf("%s cannot be reached at 360 pixels", button)
		}
	}
}

func TestPlaygroundByKeyboardOnly(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	tabTo := func(selector string) {
		t.Helper()
		for range 80 {
			if js[bool](b, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
				return
			}
			b.run(chromedp.KeyEvent("\t"))
		}
		t.Fatalf("no tabbing reaches %s", selector)
	}
	js[bool](b, `document.activeElement.blur() || true`)
	tabTo(firstSample)
	b.run(chromedp.KeyEvent("\r"))
	b.until(`document.activeElement.id === "composer-input" && document.querySelector(".attachments li")`)
	b.run(chromedp.KeyEvent("\r"))
	if text := b.answered(1); !strings.Contains(text, "green") {
		t.Errorf("%q", text)
	}
	tabTo(".badge")
	if outline := js[string](b, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
		t.Error("where the keyboard is cannot be seen")
	}
	b.run(chromedp.KeyEvent("\r"))
	tabTo("#tab-route")
	b.run(chromedp.KeyEvent(kb.ArrowRight))
	b.until(`document.querySelector("#tab-saw").getAttribute("aria-selected") === "true"`)
}

func TestPlaygroundDrawing(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.click(".draw-tile")
	b.until(`document.querySelector("dialog.drawing canvas")`)
	js[bool](b, `document.querySelector('input[name="shape"][value="star"]').click() || document.querySelector('input[name="colour"][value="blue"]').click() || true`)
	js[bool](b, `document.querySelector(".draw-canvas canvas").focus() || true`)
	b.run(chromedp.KeyEvent("\r"))
	b.shoot("draw")
	b.click("dialog .primary")
	b.until(`document.querySelector(".attachments li")`)
	js[bool](b, `document.querySelector("#composer-input").select() || true`)
	b.ask("What is the blue thing?")
	if text := b.answered(1); !strings.Contains(text, "star") {
		t.Errorf("a drawn blue star is %q", text)
	}
}

func TestPlaygroundSpeaksFourLanguages(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	for language, want := range map[string]string{"ko": "새 대화", "zh": "新对话", "ja": "新しい会話", "en": "New conversation"} {
		js[bool](b, fmt.Sprintf(`{const s = document.querySelector("select.language"); s.value = %q; s.dispatchEvent(new Event("change"))}`, language))
		b.until(fmt.Sprintf(`document.documentElement.lang === %q && document.querySelector(".new-chat")?.innerText.includes(%q)`, language, want))
		b.until(`document.querySelector(".state.good")`)
		if language == "ko" {
			b.shoot("korean")
		}
	}
}

func TestPlaygroundServerPanel(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.click("#tab-server")
	b.until(`document.querySelectorAll(".cell-row").length === 2`)
	b.click(".crowd .primary")
	b.until(`[...document.querySelectorAll(".crowd-label")].length === 4 && [...document.querySelectorAll(".crowd-label")].every((e) => e.innerText.includes("tokens"))`)
	b.shoot("server")
}

func TestPlaygroundCodeIsWhatThePageSends(t *testing.T) {
	d := serve(t)
	b := browse(t, d.url)
	b.open()
	b.write("34 minus 14")
	b.click("#tab-code")
	b.until(`document.querySelector("#panel-code code").innerText.includes("34 minus 14")`)
	b.shoot("code")
	command := js[string](b, `document.querySelector("#panel-code code").textContent`)
	out, err := exec.CommandContext(t.Context(), "bash", "-c", command).Output()
	if err != nil || !strings.Contains(string(out), "20") {
		t.Errorf("the curl command gives %v, %s", err, out)
	}
}
