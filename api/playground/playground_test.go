package playground

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func newSite(t *testing.T, samples string) *Site {
	t.Helper()
	s, err := New(Options{Samples: []byte(samples)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends a request with the header given as pairs.
func ask(h http.HandlerFunc, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBrowsersGetThePageAndOthersDirections(t *testing.T) {
	s := newSite(t, "[]")
	for name, c := range map[string]struct {
		accept string
		page   bool
	}{
		"a browser":          {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true},
		"curl":               {"*/*", false},
		"no header":          {"", false},
		"a client of an API": {"application/json", false},
		"in capitals":        {"Text/HTML", true},
	} {
		t.Run(name, func(t *testing.T) {
			resp := ask(s.Page, "Accept", c.accept)
			text := body(t, resp)
			if got := strings.HasPrefix(text, "<!doctype html>"); got != c.page || resp.StatusCode != http.StatusOK {
				t.Errorf("%d %.60q", resp.StatusCode, text)
			}
			if !c.page && !strings.Contains(text, "/v1/chat/completions") {
				t.Errorf("no directions in %q", text)
			}
			if !strings.Contains(resp.Header.Get("Vary"), "Accept") {
				t.Error("a cache would mix them up")
			}
		})
	}
}

func TestThePageIsKeptToItself(t *testing.T) {
	resp := ask(newSite(t, "[]").Page, "Accept", "text/html")
	defer func() { _ = resp.Body.Close() }()
	csp := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "require-trusted-types-for 'script'",
		"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'",
	} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy lacks %s: %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
		t.Errorf("the policy allows too much: %s", csp)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-cache",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestFilesAreServedPlainAndCompressedAndNotTwice(t *testing.T) {
	s := newSite(t, "[]")
	script := func(w http.ResponseWriter, r *http.Request) {
		if !s.File(w, r, "js/main.js") {
			t.Error("there is no js/main.js")
		}
	}
	plain, packed := ask(script), ask(script, "Accept-Encoding", "br, gzip;q=0.8")
	if packed.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Content-Encoding") != "" {
		t.Fatalf("encodings %q and %q", packed.Header.Get("Content-Encoding"), plain.Header.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil || string(unpacked) != body(t, plain) {
		t.Errorf("the compressed file is another one (%v)", err)
	}
	if plain.Header.Get("Etag") == packed.Header.Get("Etag") {
		t.Error("one tag stands for two forms")
	}
	again := ask(script, "If-None-Match", plain.Header.Get("Etag"))
	if text := body(t, again); again.StatusCode != http.StatusNotModified || text != "" {
		t.Errorf("asked again: %d with %d bytes", again.StatusCode, len(text))
	}
	for _, refused := range []string{"gzip;q=0", "gzip; q=0.0", "br", ""} {
		if resp := ask(script, "Accept-Encoding", refused); resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q gets gzip", refused)
		}
	}
}

func TestOnlyFilesOfThePageAreServed(t *testing.T) {
	s := newSite(t, `[{"skill":"x"}]`)
	for _, name := range []string{"", "index.html", "js", "js/", "../playground.go", "js/../../guard.go", "nothing.js"} {
		if s.File(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody), name) {
			t.Errorf("%q is served", name)
		}
	}
	resp := ask(func(w http.ResponseWriter, r *http.Request) { s.File(w, r, "samples.json") })
	if text := body(t, resp); text != `[{"skill":"x"}]` || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("samples: %q as %s", text, resp.Header.Get("Content-Type"))
	}
}

// A page of more would be slow where it is most of use: on a phone that looks at a machine at home.
func TestThePageIsSmall(t *testing.T) {
	const limit = 150 << 10
	total := 0
	for name, f := range newSite(t, "[]").files {
		if !strings.HasSuffix(name, ".md") && !strings.HasSuffix(name, "LICENSE") {
			total += min(len(f.plain), max(len(f.gzip()), 1))
		}
	}
	t.Logf("%d bytes compressed", total)
	if total > limit {
		t.Errorf("%d bytes compressed, at most %d are meant", total, limit)
	}
}

// What the page loads must be among its files: nothing is fetched from elsewhere, and a name that is wrong shows late.
func TestEverythingThatFilesNameIsThere(t *testing.T) {
	s := newSite(t, "[]")
	imports := regexp.MustCompile(`(?:from|import) "(\.[^"]+)"|(?:src|href)="/playground/([^"]+)"`)
	for name, f := range s.files {
		if strings.HasPrefix(name, "vendor/") {
			continue
		}
		for _, m := range imports.FindAllSubmatch(f.plain, -1) {
			target := string(m[2])
			if target == "" {
				target = join(name, string(m[1]))
			}
			if s.files[target] == nil {
				t.Errorf("%s names %s, which is not there", name, target)
			}
		}
		if !strings.HasPrefix(name, "lang/") && bytes.Contains(f.plain, []byte("innerHTML")) {
			t.Errorf("%s makes markup by itself", name)
		}
	}
}

func join(name, relative string) string {
	parts := strings.Split(name, "/")
	parts = parts[:len(parts)-1]
	for step := range strings.SplitSeq(relative, "/") {
		switch step {
		case ".":
		case "..":
			parts = parts[:len(parts)-1]
		default:
			parts = append(parts, step)
		}
	}
	return strings.Join(parts, "/")
}

func TestVendoredFilesAreThoseThatAreListed(t *testing.T) {
	listed := map[string]string{}
	text, err := static.ReadFile("static/vendor/VENDORED.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| [^|]+ \| [^|]+ \| [^|]+ \| (\S+) \| ([0-9a-f]{64}) \|$`)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		listed[m[1]] = m[2]
	}
	err = fs.WalkDir(static, "static/vendor", func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, "static/vendor/")
		if err != nil || entry.IsDir() || name == "VENDORED.md" {
			return err
		}
		data, err := static.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != listed[name] {
			t.Errorf("%s has the sum %s, %q is listed", name, got, listed[name])
		}
		delete(listed, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range listed {
		t.Errorf("%s is listed and not there", name)
	}
}

// Each language has a text for each key of English, and none that English lacks.
func TestLanguagesHaveTheSameTexts(t *testing.T) {
	key := regexp.MustCompile(`(?:^|[{,\s])"?([\w.]+)"?: "((?:[^"\\]|\\.)*)"`)
	placeholder := regexp.MustCompile(`\{\w+\}`)
	texts := map[string]map[string]string{}
	for _, language := range []string{"en", "ko", "zh", "ja"} {
		data, err := static.ReadFile("static/lang/" + language + ".js")
		if err != nil {
			t.Fatal(err)
		}
		texts[language] = map[string]string{}
		for _, m := range key.FindAllStringSubmatch(string(data), -1) {
			texts[language][m[1]] = m[2]
		}
	}
	if len(texts["en"]) < 150 {
		t.Fatalf("only %d texts were found", len(texts["en"]))
	}
	for language, own := range texts {
		for name, english := range texts["en"] {
			switch text, ok := own[name]; {
			case !ok:
				t.Errorf("%s lacks %s", language, name)
			case len(placeholder.FindAllString(text, -1)) != len(placeholder.FindAllString(english, -1)):
				t.Errorf("%s: %s names other values than English: %s", language, name, text)
			}
		}
		for name := range own {
			if _, ok := texts["en"][name]; !ok {
				t.Errorf("%s has %s, which English lacks", language, name)
			}
		}
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, header := range []string{"gzip", "gzip;q=0", "br;q=1.0, gzip;q=0.001", ";;;,,=", "GZIP ; q = 1"} {
		f.Add(header)
	}
	f.Fuzz(func(_ *testing.T, header string) { acceptsGzip(header) })
}
