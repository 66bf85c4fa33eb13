package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// hostile are texts that try to run or fetch something from an answer, one a line as JSON.
func hostile(t *testing.T) (out []string) {
	t.Helper()
	file, err := os.Open("testdata/hostile_markdown.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	if len(out) < 200 {
		t.Fatalf("%d cases", len(out))
	}
	return out
}

// Whatever an answer holds, nothing of it runs and nothing is fetched for it, as it streams and when it is complete.
func TestHostileAnswersRunAndFetchNothing(t *testing.T) {
	showHostile(t, browse(t, serve(t).url), `(source) => {
		const view = new View();
		view.set(source.slice(0, source.length / 2));
		view.set(source);
		return view.node;
	}`)
}

// The same holds where only the sanitizer stands between markup and the page. The browser tells of what it refused while
// the sanitizer read the markup.
func TestHostileMarkupIsCleaned(t *testing.T) {
	b := browse(t, serve(t).url)
	b.expect("Content Security Policy directive")
	b.expect("TrustedScript")
	showHostile(t, b, `(source) => {
		const box = document.createElement("div");
		box.append(clean(source));
		return box;
	}`)
}

// showHostile puts what show makes of each hostile text onto the page and pokes at it.
func showHostile(t *testing.T, b *tab, show string) {
	t.Helper()
	b.open()
	cases, err := json.Marshal(hostile(t))
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	before := len(b.requests)
	b.mu.Unlock()
	faults := js[[]string](b, `(async () => {
		const { View, clean } = await import("/playground/js/markdown.js");
		const box = document.createElement("div");
		document.body.append(box);
		const faults = [];
		window.pwned = (why) => faults.push("ran: " + (why ?? ""));
		window.alert = window.confirm = window.prompt = window.pwned;
		const bad = (node, source) => {
			for (const e of node.querySelectorAll("*")) {
				if (/^(script|iframe|object|embed|img|svg|image|video|audio|source|link|style|meta|base|form|input|textarea|select|template|frame|frameset|applet|portal|dialog|details)$/i.test(e.localName)) faults.push(e.localName + " from " + source);
				for (const a of e.attributes) {
					if (/^on/i.test(a.name)) faults.push(a.name + " from " + source);
					if (["src", "srcset", "style", "id", "name", "background", "poster", "action", "formaction", "data", "ping"].includes(a.name) && !e.closest("math, .code-frame")) faults.push(a.name + " from " + source);
					if (a.name === "href" && !/^(https?|mailto):/i.test(a.value)) faults.push("href " + a.value + " from " + source);
				}
			}
		};
		const show = `+show+`;
		for (const source of `+string(cases)+`) {
			const node = show(source);
			box.append(node);
			bad(node, source);
		}
		// Everything that can react to a pointer does, or to focus.
		for (const e of box.querySelectorAll("*")) {
			for (const type of ["mouseover", "mouseenter", "focus", "error", "load", "toggle", "animationstart"]) e.dispatchEvent(new Event(type));
		}
		await new Promise((resolve) => setTimeout(resolve, 500));
		box.remove();
		return faults;
	})()`)
	for _, f := range faults {
		t.Error(f)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests[before:] {
		if !strings.HasPrefix(r, b.url+"/playground/js/") {
			t.Errorf("fetched %s", r)
		}
	}
}

// axe-core finds nothing serious, in whichever view.
func TestPlaygroundIsAccessible(t *testing.T) {
	axe, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	d := serve(t)
	b := browse(t, d.url)
	look := func(view string) {
		t.Helper()
		js[bool](b, string(axe)+"\n;true")
		found := js[[]string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 4).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).join(" | ")))`)
		for _, f := range found {
			t.Errorf("%s: %s", view, f)
		}
	}
	for _, dark := range []bool{false, true} {
		b.device(1360, 860, dark)
		b.open()
		look("first visit")
		b.choose("Who answers", "both")
		b.click(firstSample)
		b.click(".send")
		b.answered(1)
		b.write("34 minus 14")
		b.until(`document.querySelector(".verdict.instruct, .verdict.thinking")`)
		look("answers")
		for _, panel := range []string{"saw", "options", "code", "server"} {
			b.click("#tab-" + panel)
			look(panel)
		}
		b.click(`.tools .icon-button[aria-label="Draw"]`)
		b.until(`document.querySelector("dialog.drawing")`)
		look("drawing")
	}
	b.device(360, 740, false)
	b.open()
	look("narrow")
}
