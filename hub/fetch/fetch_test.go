package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/hubtest"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const repo, name = "org/repo", "dir/model-Q4_0.gguf"

func source(host hub.Host) hub.Source {
	return hub.Source{Host: host, Repo: repo, Revision: map[hub.Host]string{hub.HuggingFace: "main", hub.ModelScope: "master"}[host]}
}

func random(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// rig is a hub with one file, and a client of it.
type rig struct {
	*hubtest.Hub
	client  *Client
	content []byte
	path    string

	mu     sync.Mutex
	pauses []time.Duration
	notes  []string
	done   []int64
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{Hub: hubtest.New(), content: random(1 << 20), path: filepath.Join(t.TempDir(), "x.incomplete")}
	t.Cleanup(r.Close)
	r.Add(repo, name, r.content)
	o.HuggingFace, o.ModelScope = r.Front.URL, r.Front.URL+"/"
	o.Wait = func(ctx context.Context, d time.Duration) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pauses = append(r.pauses, d)
		return context.Cause(ctx)
	}
	var err error
	if r.client, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	return r
}

func (r *rig) download(ctx context.Context) error {
	return r.client.Download(ctx, source(hub.HuggingFace), r.Commit(repo), r.File(repo, name), r.path, Watcher{
		Progress: func(n int64) { r.mu.Lock(); defer r.mu.Unlock(); r.done = append(r.done, n) },
		Note:     func(text string) { r.mu.Lock(); defer r.mu.Unlock(); r.notes = append(r.notes, text) },
	})
}

// check fails unless all of the file is there.
func (r *rig) check(t *testing.T, err error) {
	t.Helper()
	got, rerr := os.ReadFile(r.path)
	if err != nil || rerr != nil || !bytes.Equal(got, r.content) {
		t.Errorf("%v, %v: %d bytes of %d, %q", err, rerr, len(got), len(r.content), r.notes)
	}
}

func TestBothHubsAreListed(t *testing.T) {
	r := newRig(t, Options{})
	for i := range 5 {
		r.Add(repo, fmt.Sprintf("part-%d.gguf", i), random(10+i))
	}
	r.Add(repo, "README.md", []byte("read me"))
	for _, host := range []hub.Host{hub.HuggingFace, hub.ModelScope} {
		l, err := r.client.List(t.Context(), source(host), nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range l.Files {
			if f != r.File(repo, f.Path) {
				t.Errorf("%+v", f)
			}
			if f.Path != "README.md" { // Hugging Face has no sha256 of small files
				names = append(names, f.Path)
			}
		}
		want := []string{name, "part-0.gguf", "part-1.gguf", "part-2.gguf", "part-3.gguf", "part-4.gguf"}
		if diff := cmp.Diff(want, names); diff != "" || len(l.Commit) != 40 {
			t.Errorf("%s: %s, %s", host, l.Commit, diff)
		}
	}
}

func TestAFileComesWhole(t *testing.T) {
	r := newRig(t, Options{})
	r.check(t, r.download(t.Context()))
	if last := r.done[len(r.done)-1]; last != int64(len(r.content)) {
		t.Errorf("at last %d bytes were there", last)
	}
	body, err := r.client.Open(t.Context(), source(hub.ModelScope), "", name)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	head := make([]byte, 100)
	if _, err := body.Read(head[:1]); err != nil || head[0] != r.content[0] {
		t.Error(err)
	}
}

func TestFaultsOnTheWayAreOvercome(t *testing.T) {
	for name, fault := range map[string]hubtest.Fault{
		"dropped again and again": func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
			if n <= 10 {
				hubtest.Break(w, r, content, 90_000)
			}
			return false
		},
		"dropped before anything": func(_ http.ResponseWriter, _ *http.Request, _ []byte, n int) bool {
			if n <= 2 {
				panic(http.ErrAbortHandler)
			}
			return false
		},
		"too short, and says so": func(w http.ResponseWriter, _ *http.Request, content []byte, n int) bool {
			if n == 1 {
				_, _ = w.Write(content[:1000])
			}
			return n == 1
		},
		"too long": func(w http.ResponseWriter, _ *http.Request, content []byte, n int) bool {
			if n == 1 {
				_, _ = w.Write(append(append([]byte(nil), content...), "and more"...))
			}
			return n == 1
		},
		"wrong bytes": func(w http.ResponseWriter, _ *http.Request, content []byte, n int) bool {
			if n == 1 {
				wrong := bytes.Clone(content)
				wrong[len(wrong)/2] ^= 1
				_, _ = w.Write(wrong)
			}
			return n == 1
		},
		"a page in place of the file": func(w http.ResponseWriter, _ *http.Request, _ []byte, n int) bool {
			if n == 1 {
				_, _ = w.Write([]byte("<html>Log in to the hotel's network</html>"))
			}
			return n == 1
		},
		"no ranges": func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
			if n == 1 {
				hubtest.Break(w, r, content, 1000)
			}
			_, _ = w.Write(content)
			return true
		},
		"another range": func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
			switch n {
			case 1:
				hubtest.Break(w, r, content, 1000)
			case 2:
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(content)-1, len(content)))
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(content)
			}
			return n == 2
		},
		"another size in the range": func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
			switch n {
			case 1:
				hubtest.Break(w, r, content, 1000)
			case 2:
				w.Header().Set("Content-Range", "bytes 1000-1999/2000")
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(content[1000:2000])
			}
			return n == 2
		},
		"a part without a range": func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
			if n == 1 {
				w.WriteHeader(http.StatusPartialContent)
			}
			return n == 1
		},
		"no such range": func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
			switch n {
			case 1:
				hubtest.Break(w, r, content, 1000)
			case 2:
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			}
			return n == 2
		},
		"overloaded": func(w http.ResponseWriter, _ *http.Request, _ []byte, n int) bool {
			if n <= 3 {
				w.WriteHeader([]int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests}[n-1])
			}
			return n <= 3
		},
		"redirected elsewhere and back": func(w http.ResponseWriter, r *http.Request, _ []byte, n int) bool {
			if n <= 4 {
				http.Redirect(w, r, r.URL.Path+"?again="+strconv.Itoa(n), http.StatusTemporaryRedirect)
			}
			return n <= 4
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			r.SetFault(fault)
			r.check(t, r.download(t.Context()))
		})
	}
}

func TestAStalledTransferGoesOn(t *testing.T) {
	r := newRig(t, Options{Stall: 200 * time.Millisecond})
	r.SetFault(func(w http.ResponseWriter, req *http.Request, content []byte, n int) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:5000])
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
		return true
	})
	r.check(t, r.download(t.Context()))
	if offset := hubtest.Offset(r.Requests()[1]); offset != 5000 || !strings.Contains(strings.Join(r.notes, " "), errStalled.Error()) {
		t.Errorf("went on at %d: %q", offset, r.notes)
	}
}

func TestADownloadGoesOnWhereItWasBrokenOff(t *testing.T) {
	r := newRig(t, Options{})
	if err := os.WriteFile(r.path, r.content[:300_000], 0o600); err != nil {
		t.Fatal(err)
	}
	r.check(t, r.download(t.Context()))
	if req := r.Requests(); len(req) != 1 || hubtest.Offset(req[0]) != 300_000 {
		t.Errorf("%d requests", len(req))
	}
	// Nothing is missing: nothing is asked for.
	r.check(t, r.download(t.Context()))
	if n := len(r.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestWhatWasThereCountsByItsHash(t *testing.T) {
	for name, there := range map[string][]byte{"wrong bytes": make([]byte, 1000), "too much": make([]byte, 2<<20)} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			if err := os.WriteFile(r.path, there, 0o600); err != nil {
				t.Fatal(err)
			}
			r.check(t, r.download(t.Context()))
		})
	}
}

func TestWhatCannotSucceedEnds(t *testing.T) {
	wrong := func(w http.ResponseWriter, _ *http.Request, content []byte, _ int) bool {
		_, _ = w.Write(make([]byte, len(content)))
		return true
	}
	status := func(code int, header ...string) hubtest.Fault {
		return func(w http.ResponseWriter, _ *http.Request, _ []byte, _ int) bool {
			if len(header) > 0 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
			return true
		}
	}
	for name, c := range map[string]struct {
		fault    hubtest.Fault
		want     string
		requests int
	}{
		"wrong bytes every time": {wrong, "the hub says", 2},
		"not found":              {status(http.StatusNotFound), "404", 1},
		"not allowed":            {status(http.StatusForbidden, "X-Error-Message", "accept the terms"), "accept the terms (a repository that is not public needs a token in HF_TOKEN", 1},
		"down":                   {status(http.StatusInternalServerError), "500", 6},
		"wait for a day":         {status(http.StatusTooManyRequests, "Retry-After", "86400"), "429", 1},
		"always too short": {func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
			if n%2 == 0 {
				w.Header().Set("Content-Range", "bytes 10-19/20")
				w.WriteHeader(http.StatusPartialContent)
				return true
			}
			hubtest.Break(w, r, content, 10)
			return true
		}, "contradicts itself", 12},
		"in circles": {func(w http.ResponseWriter, r *http.Request, _ []byte, _ int) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, "too many redirects", 6 * maxRedirects},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			r.SetFault(c.fault)
			err := r.download(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || len(r.Requests()) != c.requests {
				t.Errorf("%v after %d requests", err, len(r.Requests()))
			}
		})
	}
}

func TestWrongContentIsNotKept(t *testing.T) {
	r := newRig(t, Options{})
	r.SetFault(func(w http.ResponseWriter, _ *http.Request, content []byte, _ int) bool {
		_, _ = w.Write(make([]byte, len(content)))
		return true
	})
	var wrong *HashError
	if err := r.download(t.Context()); !errors.As(err, &wrong) || wrong.Want != r.File(repo, name).SHA256 {
		t.Error(err)
	}
	if info, err := os.Stat(r.path); err != nil || info.Size() != 0 {
		t.Error(info, err)
	}
}

func TestPausesGrowAndAHubsWishIsGranted(t *testing.T) {
	r := newRig(t, Options{})
	r.SetFault(func(w http.ResponseWriter, _ *http.Request, _ []byte, n int) bool {
		if n == 3 {
			w.Header().Set("Retry-After", "50")
		}
		if n <= 4 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n <= 4
	})
	r.check(t, r.download(t.Context()))
	want := []time.Duration{time.Second, 2 * time.Second, 50 * time.Second, 8 * time.Second}
	if diff := cmp.Diff(want, r.pauses); diff != "" {
		t.Error(diff)
	}
}

func TestAHubThatCannotBeReachedIsNamedWithoutWhatItsAddressesHide(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	r := newRig(t, Options{})
	r.SetFault(func(w http.ResponseWriter, req *http.Request, _ []byte, _ int) bool {
		http.Redirect(w, req, gone.URL+"/x?signature=secret", http.StatusFound)
		return true
	})
	err := r.download(t.Context())
	if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(gone.URL, "http://")) || len(r.pauses) != 5 {
		t.Errorf("%v after %d pauses", err, len(r.pauses))
	}
	if text := fmt.Sprint(err, r.notes); strings.Contains(text, "secret") {
		t.Error(text)
	}
	r.client.o.HuggingFace = gone.URL
	if _, err := r.client.List(t.Context(), source(hub.HuggingFace), nil); err == nil || len(r.pauses) != 5+3 {
		t.Errorf("%v after %d pauses", err, len(r.pauses))
	}
}

func TestTheTokenGoesToTheHubAlone(t *testing.T) {
	r := newRig(t, Options{Token: "hf_secret"})
	r.Token = "hf_secret"
	if _, err := r.client.List(t.Context(), source(hub.HuggingFace), nil); err != nil {
		t.Fatal(err)
	}
	r.check(t, r.download(t.Context()))
	for _, req := range r.Requests() {
		if got := req.Header.Get("Authorization"); got != "" {
			t.Errorf("%s was sent %q", req.URL.Path, got)
		}
	}
	// ModelScope has nothing to do with it.
	if _, err := r.client.List(t.Context(), source(hub.ModelScope), nil); err == nil || !strings.Contains(err.Error(), "401") {
		t.Error(err)
	}
}

// Go's own client sends the token on to hosts below the first one's name.
func TestTheTokenDoesNotGoToHostsBelowTheHub(t *testing.T) {
	got := make(chan string, 2)
	below := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Authorization") }))
	defer below.Close()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://cdn.hub.test/", http.StatusFound)
	}))
	defer front.Close()
	c, err := New(Options{HuggingFace: "http://hub.test", Token: "hf_secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		server := map[string]*httptest.Server{"hub.test:80": front, "cdn.hub.test:80": below}[address]
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	resp, err := c.get(t.Context(), hub.HuggingFace, c.o.HuggingFace+"/x", 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if header := <-got; header != "" {
		t.Errorf("it got %q", header)
	}
}

func TestListsThatLeadElsewhereAreRefused(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"the next page": func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/tree/") {
				w.Header().Set("Link", `<https://example.com/next>; rel="next"`)
				fmt.Fprint(w, `[]`)
				return
			}
			fmt.Fprintf(w, `{"sha":%q}`, strings.Repeat("ab", 20))
		},
		"the commit": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"sha":"../../x"}`) },
		"no JSON":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<html>`) },
		"no end": func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/tree/") {
				w.Header().Set("Link", `<`+r.URL.Path+`>; rel="next"`)
				fmt.Fprint(w, `[]`)
				return
			}
			fmt.Fprintf(w, `{"sha":%q}`, strings.Repeat("ab", 20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(handler)
			defer s.Close()
			c, err := New(Options{HuggingFace: s.URL, Token: "hf_secret", Wait: func(context.Context, time.Duration) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if l, err := c.List(t.Context(), source(hub.HuggingFace), nil); err == nil {
				t.Errorf("%+v", l)
			}
		})
	}
}

func TestListedNamesStayInTheirFolder(t *testing.T) {
	l := &Listing{}
	sum := strings.Repeat("ab", 32)
	for _, f := range []hub.File{
		{Path: "../x", Size: 1, SHA256: sum},
		{Path: "/x", Size: 1, SHA256: sum},
		{Path: "a\\..\\x", Size: 1, SHA256: sum},
		{Path: "x", Size: 0, SHA256: sum},
		{Path: "x", Size: -1, SHA256: sum},
		{Path: "x", Size: 1, SHA256: "../x"},
		{Path: "good/x", Size: 1, SHA256: sum},
	} {
		l.add(f.Path, f.SHA256, f.Size)
	}
	if len(l.Files) != 1 || l.Files[0].Path != "good/x" {
		t.Errorf("%+v", l.Files)
	}
}

func TestAnEndedContextEndsADownloadAndLeavesWhatCame(t *testing.T) {
	r := newRig(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	r.SetFault(func(w http.ResponseWriter, req *http.Request, content []byte, _ int) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:5000])
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
		return true
	})
	ended := make(chan error, 1)
	go func() { ended <- r.download(ctx) }()
	testkit.Eventually(t, "the first bytes", func() bool {
		info, err := os.Stat(r.path)
		return err == nil && info.Size() == 5000
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	r.SetFault(nil)
	r.check(t, r.download(t.Context()))
	if req := r.Requests(); len(req) != 2 || hubtest.Offset(req[1]) != 5000 {
		t.Errorf("%d requests", len(req))
	}
}

func TestALinkInPlaceOfTheFileIsNotFollowed(t *testing.T) {
	r := newRig(t, Options{})
	target := filepath.Join(t.TempDir(), "precious")
	if err := os.Symlink(target, r.path); err != nil {
		t.Fatal(err)
	}
	if err := r.download(t.Context()); err == nil {
		t.Error("it was followed")
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFaultyOptionsAreRefused(t *testing.T) {
	for _, o := range []Options{{HuggingFace: "huggingface.co"}, {ModelScope: "ftp://x"}, {HuggingFace: "https://"}, {Token: "a\nb"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v", o)
		}
	}
}
