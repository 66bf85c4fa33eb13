package e2e

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browsers are names of the program; `make test` installs Debian's.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// tab is a page of a headless Chromium. Whatever its console says of errors, refused content among it, and every
// request that leaves the daemon, fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string

	mu       sync.Mutex
	problems []string
	// expected are parts of errors that a test provokes.
	expected []string
	requests []string
}

// browse opens an empty tab with a fresh profile for the daemon at address.
func browse(t *testing.T, address string) *tab {
	t.Helper()
	var program string
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("no Chromium on this machine: `make setup` as root installs Debian's, elsewhere run sudo apt-get install -y chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-US"), chromedp.Env("LANGUAGE=en_US"),
		chromedp.WindowSize(1360, 860),
	)
	b := &tab{t: t, url: address}
	ctx, cancel := chromedp.NewExecAllocator(timeout(t, 2*patience), options...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(ctx, chromedp.WithListener(b.listen))
	t.Cleanup(cancelTab)
	b.ctx = ctx
	order(b, network.Enable, network.EnableParams{})
	order(b, cdplog.Enable, cdp.Empty{})
	t.Cleanup(b.judge)
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "exception: "+e.ExceptionDetails.Text+" "+described(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			var words []string
			for _, a := range e.Args {
				words = append(words, described(a))
			}
			b.problems = append(b.problems, "console: "+strings.Join(words, " "))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Source == "security" {
			b.problems = append(b.problems, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "data" && u.Scheme != "blob" && !strings.HasPrefix(e.Request.URL, b.url) {
			b.problems = append(b.problems, "request to elsewhere: "+e.Request.URL)
		}
	}
}

// described is an object of the page in words.
func described(o *runtime.RemoteObject) string {
	if o == nil {
		return ""
	}
	return string(o.Value) + o.Description
}

// order has the browser do something that is no step of a person.
func order[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

// expect has errors that contain part pass.
func (b *tab) expect(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, part)
}

// judge fails the test where something went wrong in the page.
func (b *tab) judge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		wanted := false
		for _, part := range b.expected {
			wanted = wanted || strings.Contains(p, part)
		}
		if !wanted {
			b.t.Error(p)
		}
	}
}

func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.text())
	}
}

// text is what the page says, for messages of failures.
func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body?.innerText ?? ''"))
	return text
}

// open goes to the playground and waits until it can be used.
func (b *tab) open() {
	b.t.Helper()
	b.run(chromedp.Navigate(b.url + "/"))
	b.until(`document.querySelector(".state.good") && document.querySelector(".welcome, .turn")`)
}

// js evaluates an expression, whose promise is waited for.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", expression, err, b.text())
	}
	return value
}

// until waits until an expression is true. One that fails, as while a page is loaded, is not true yet.
func (b *tab) until(expression string) {
	b.t.Helper()
	eventually(b.t, func() bool {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if b.ctx.Err() != nil {
			b.t.Fatalf("%s: %v", expression, err)
		}
		return err == nil && ok
	})
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector(%q)", selector))
	b.run(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// choose picks an option of a select, as a person's choice does.
func (b *tab) choose(label, value string) {
	b.t.Helper()
	js[bool](b, fmt.Sprintf(`{const s = document.querySelector('select[aria-label=%q]'); s.value = %q; s.dispatchEvent(new Event("change", {bubbles: true}))}`, label, value))
}

// slide moves a slider.
func (b *tab) slide(id string, value int) {
	b.t.Helper()
	js[bool](b, fmt.Sprintf(`{const s = document.getElementById(%q); s.value = %d; s.dispatchEvent(new Event("input", {bubbles: true}))}`, id, value))
}

// ask types a question and sends it.
func (b *tab) ask(text string) {
	b.t.Helper()
	b.write(text)
	b.run(chromedp.KeyEvent("\r"))
}

// write types into the composer.
func (b *tab) write(text string) {
	b.t.Helper()
	b.run(chromedp.Focus(chromedp.CSS("#composer-input")))
	order(b, input.InsertText, input.InsertTextParams{Text: text})
}

// paste puts a file on the composer as a paste does.
func (b *tab) paste(kind, name, dataURI string) {
	b.t.Helper()
	js[bool](b, fmt.Sprintf(`(async () => {
		const data = Uint8Array.from(atob(%q.split(",")[1]), (c) => c.charCodeAt(0));
		const box = new DataTransfer();
		box.items.add(new File([data], %q, {type: %q}));
		document.querySelector("#composer-input").dispatchEvent(new ClipboardEvent("paste", {clipboardData: box, bubbles: true, cancelable: true}));
		return true;
	})()`, dataURI, name, kind))
	b.until(`document.querySelector(".attachments li")`)
}

// answered waits until n answers are complete and returns the last one's text.
func (b *tab) answered(n int) string {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.querySelectorAll(".turn.assistant").length >= %d && !document.querySelector(".send.busy")`, n))
	return strings.TrimSpace(js[string](b, `[...document.querySelectorAll(".turn.assistant .markdown")].at(-1).innerText`))
}

// device makes the page so wide and high, light or dark.
func (b *tab) device(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	order(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
	})
	order(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// shoot keeps a picture of the page in the folder that PLAYGROUND_SCREENSHOTS names, for docs/playground; without it none.
func (b *tab) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("PLAYGROUND_SCREENSHOTS")
	if dir == "" {
		return
	}
	js[bool](b, `document.getElementById("note").classList.remove("shown") || true`)
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), small(b.t, shot), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// small brings a picture down to few colours, which a page of flat ones hardly needs more of.
func small(t *testing.T, data []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	few := image.NewPaletted(full.Bounds(), colours(full))
	draw.Draw(few, few.Bounds(), full, full.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// colours are the 256 that a picture has most of, in steps too fine to see.
func colours(img image.Image) color.Palette {
	const step = 4
	counts := map[color.RGBA]int{}
	box := img.Bounds()
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			snap := func(v uint32) uint8 { return uint8(min(255, (v>>8+step/2)/step*step)) }
			counts[color.RGBA{snap(r), snap(g), snap(b), 255}]++
		}
	}
	all := slices.Collect(maps.Keys(counts))
	slices.SortFunc(all, func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var out color.Palette
	for _, c := range all[:min(256, len(all))] {
		out = append(out, c)
	}
	return out
}
