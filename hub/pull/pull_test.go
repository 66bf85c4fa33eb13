package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/cache"
	"github.com/qwenvld/qwenvld/hub/fetch"
	"github.com/qwenvld/qwenvld/hub/hubtest"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

// Variables that make the test binary another process that pulls.
const (
	childHub   = "TEST_PULL_HUB"
	childCache = "TEST_PULL_CACHE"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(childHub); address != "" {
		err := pullInAnotherProcess(address, os.Getenv(childCache))
		fmt.Println(err)
		if err != nil {
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func pullInAnotherProcess(address, root string) error {
	c, err := fetch.New(fetch.Options{HuggingFace: address})
	if err != nil {
		return err
	}
	defer c.Close()
	p := New(Options{Client: c, HuggingFace: cache.New(root), Report: func(e Event) {
		if e.Note != "" {
			fmt.Println(e.Note)
		}
	}})
	r, err := hub.Parse("qwen3-vl:2b")
	if err != nil {
		return err
	}
	_, err = p.Get(context.Background(), r)
	return err
}

const (
	instructRepo = "Qwen/Qwen3-VL-2B-Instruct-GGUF"
	thinkingRepo = "Qwen/Qwen3-VL-2B-Thinking-GGUF"
)

func random(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// newHub has the preset qwen3-vl:2b in two quantisations, one of which is split.
func newHub(t *testing.T) *hubtest.Hub {
	t.Helper()
	h := hubtest.New()
	t.Cleanup(h.Close)
	for i, v := range []string{"Instruct", "Thinking"} {
		repo := "Qwen/Qwen3-VL-2B-" + v + "-GGUF"
		h.Add(repo, "Qwen3VL-2B-"+v+"-Q4_K_M.gguf", random(400_000+i))
		h.Add(repo, "mmproj-Qwen3VL-2B-"+v+"-F16.gguf", random(100_000+i))
		h.Add(repo, "Q8_0/Qwen3VL-2B-"+v+"-Q8_0-00001-of-00002.gguf", random(200_000+i))
		h.Add(repo, "Q8_0/Qwen3VL-2B-"+v+"-Q8_0-00002-of-00002.gguf", random(300_000+i))
		h.Add(repo, "README.md", []byte("read me"))
	}
	return h
}

// events are those of a puller.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) report(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func newPuller(t *testing.T, address, root string, change func(*Options)) *Puller {
	t.Helper()
	c, err := fetch.New(fetch.Options{
		HuggingFace: address, ModelScope: address, Wait: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	o := Options{Client: c, HuggingFace: cache.New(root), ModelScope: cache.New(filepath.Join(root, "modelscope"))}
	if change != nil {
		change(&o)
	}
	return New(o)
}

func reference(t *testing.T, text string) hub.Reference {
	t.Helper()
	r, err := hub.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// summary reads the files of parts and says what they are.
func summary(t *testing.T, parts []Part) string {
	t.Helper()
	var b strings.Builder
	for i := range parts {
		p := &parts[i]
		fmt.Fprintf(&b, "%s %s", p.Variant, p.Quant)
		for _, name := range []string{p.ModelPath(), p.ProjectorPath()} {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " %s:%d", filepath.Base(name), info.Size())
		}
		b.WriteString("\n")
	}
	return b.String()
}

const pair = "instruct Q4_K_M Qwen3VL-2B-Instruct-Q4_K_M.gguf:400000 mmproj-Qwen3VL-2B-Instruct-F16.gguf:100000\n" +
	"thinking Q4_K_M Qwen3VL-2B-Thinking-Q4_K_M.gguf:400001 mmproj-Qwen3VL-2B-Thinking-F16.gguf:100001\n"

func TestAPresetComesWithBothVariantsAndIsThenAtHand(t *testing.T) {
	h, root := newHub(t), t.TempDir()
	var seen events
	p := newPuller(t, h.Front.URL, root, func(o *Options) { o.Report = seen.report })
	r := reference(t, "qwen3-vl:2b")
	if _, err := p.AtHand(r); !errors.Is(err, ErrNotAtHand) {
		t.Fatal(err)
	}
	parts, err := p.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pair, summary(t, parts)); diff != "" {
		t.Error(diff)
	}
	complete := 0
	for _, e := range seen.all {
		if e.Complete {
			complete++
		}
	}
	if complete != 4 || len(h.Requests()) != 4 {
		t.Errorf("%d files are complete after %d requests", complete, len(h.Requests()))
	}
	// A second start asks nobody, even where the hub has something new.
	h.Add(instructRepo, "Qwen3VL-2B-Instruct-Q4_K_M.gguf", random(5000))
	again, err := newPuller(t, "http://127.0.0.1:1", root, nil).Get(t.Context(), r)
	if err != nil || summary(t, again) != pair {
		t.Error(err)
	}
	// Asking for what is new fetches that alone.
	fresh, err := p.Ask(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Fetch(t.Context(), fresh); err != nil || len(h.Requests()) != 5 {
		t.Errorf("%v after %d requests", err, len(h.Requests()))
	}
	if again, err = p.AtHand(r); err != nil || again[0].Commit != h.Commit(instructRepo) || again[0].Model[0].Size != 5000 {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestSplitModelsAndModelScope(t *testing.T) {
	h, root := newHub(t), t.TempDir()
	p := newPuller(t, h.Front.URL, root, nil)
	for _, text := range []string{"qwen3-vl:2b-thinking@q8_0", "modelscope.cn/" + thinkingRepo + ":Q8_0"} {
		parts, err := p.Get(t.Context(), reference(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if len(parts) != 1 || len(parts[0].Model) != 2 || !strings.HasSuffix(parts[0].ModelPath(), "-00001-of-00002.gguf") {
			t.Fatalf("%s: %+v", text, parts)
		}
		for i, n := range []int{200_001, 300_001} {
			got, err := os.ReadFile(parts[0].path(parts[0].Model[i]))
			if err != nil || !bytes.Equal(got, random(n)) {
				t.Errorf("%s: part %d: %v", text, i+1, err)
			}
		}
	}
}

// What `hf download` leaves is found: links into blobs, and the commit of the branch.
func TestWhatOtherToolsFetchedIsFound(t *testing.T) {
	root := t.TempDir()
	commit := strings.Repeat("ab", 20)
	for _, v := range []string{"Instruct", "Thinking"} {
		dir := filepath.Join(root, "models--Qwen--Qwen3-VL-2B-"+v+"-GGUF")
		for i, name := range []string{"Qwen3VL-2B-" + v + "-Q4_K_M.gguf", "mmproj-Qwen3VL-2B-" + v + "-F16.gguf"} {
			sum := strings.Repeat(strconv.Itoa(i), 64)
			for path, text := range map[string]string{"blobs/" + sum: v + name, "refs/main": commit} {
				path = filepath.Join(dir, path)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			link := filepath.Join(dir, "snapshots", commit, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink("../../blobs/"+sum, link)); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := newPuller(t, "http://127.0.0.1:1", root, nil)
	parts, err := p.Get(t.Context(), reference(t, "qwen3-vl:2b"))
	if err != nil || len(parts) != 2 {
		t.Fatal(err)
	}
	kept, err := p.List()
	if err != nil || len(kept.Parts) != 2 || kept.Parts[1].Name() != "hf.co/"+thinkingRepo+":Q4_K_M" {
		t.Errorf("%+v, %v", kept, err)
	}
}

func TestFoldersAreLookedInto(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"instruct.gguf", "thinking.gguf", "projector.gguf", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), random(i+1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := newPuller(t, "http://127.0.0.1:1", t.TempDir(), nil)
	parts, err := p.Get(t.Context(), reference(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	want := "instruct  instruct.gguf:1 projector.gguf:3\nthinking  thinking.gguf:2 projector.gguf:3\n"
	if diff := cmp.Diff(want, summary(t, parts)); diff != "" {
		t.Error(diff)
	}
	for text, says := range map[string]string{
		dir + "/none": "no such file", dir + "/notes.txt": "is a file", t.TempDir(): "no model",
	} {
		if _, err := p.Get(t.Context(), reference(t, text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := p.Remove(reference(t, dir)); err == nil || !strings.Contains(err.Error(), "of yours") {
		t.Error(err)
	}
}

// Fetching another quantisation moves the branch to the hub's latest commit.
func TestWhatAnEarlierCommitHoldsStaysAtHand(t *testing.T) {
	h, root := newHub(t), t.TempDir()
	p := newPuller(t, h.Front.URL, root, nil)
	r := reference(t, "qwen3-vl:2b-instruct")
	if _, err := p.Get(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	before := h.Commit(instructRepo)
	h.Add(instructRepo, "Qwen3VL-2B-Instruct-Q4_K_M.gguf", random(5000))
	if _, err := p.Get(t.Context(), reference(t, "qwen3-vl:2b-instruct@q8_0")); err != nil {
		t.Fatal(err)
	}
	offline := newPuller(t, h.Front.URL, root, func(o *Options) { o.Offline = true })
	parts, err := offline.Get(t.Context(), r)
	if err != nil || parts[0].Commit != before || parts[0].Model[0].Size != 400_000 {
		t.Fatalf("%+v, %v", parts, err)
	}
	// A revision in particular is that one or none.
	if _, err := offline.Get(t.Context(), reference(t, "hf.co/"+instructRepo+"@v2:Q4_K_M")); !errors.Is(err, ErrNotAtHand) {
		t.Error(err)
	}
	// It goes from all commits, and nothing else does.
	if err := p.Fetch(t.Context(), mustAsk(t, p, r)); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Remove(r); n != 405_000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if kept, err := p.List(); err != nil || len(kept.Parts) != 1 || kept.Parts[0].Quant != "Q8_0" || kept.Parts[0].Projector == nil {
		t.Errorf("%+v, %v", kept, err)
	}
}

func mustAsk(t *testing.T, p *Puller, r hub.Reference) []Part {
	t.Helper()
	parts, err := p.Ask(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// A model that was fetched without its projector can be removed, but not served.
func TestAModelWithoutItsProjectorIsRemoved(t *testing.T) {
	h := newHub(t)
	p := newPuller(t, h.Front.URL, t.TempDir(), nil)
	r := reference(t, "qwen3-vl:2b-instruct")
	parts, err := p.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(parts[0].ProjectorPath()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.AtHand(r); !errors.Is(err, ErrNotAtHand) {
		t.Error(err)
	}
	if n, err := p.Remove(r); n != 400_000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestOfflineNobodyIsAsked(t *testing.T) {
	h := newHub(t)
	p := newPuller(t, h.Front.URL, t.TempDir(), func(o *Options) { o.Offline = true })
	for _, get := range []func() error{
		func() error { _, err := p.Get(t.Context(), reference(t, "qwen3-vl:2b")); return err },
		func() error { _, err := p.Ask(t.Context(), reference(t, "qwen3-vl:2b")); return err },
	} {
		if err := get(); !errors.Is(err, ErrNotAtHand) {
			t.Error(err)
		}
	}
}

func TestVerifyingFindsWhatTheDiskSpoiled(t *testing.T) {
	h := newHub(t)
	p := newPuller(t, h.Front.URL, t.TempDir(), nil)
	r := reference(t, "qwen3-vl:2b")
	parts, err := p.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := random(400_000)
	spoiled[7] ^= 1
	if err := os.WriteFile(parts[0].ModelPath(), spoiled, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Verify(t.Context(), parts), p.Fetch(t.Context(), parts)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(parts[0].ModelPath()); err != nil || !bytes.Equal(got, random(400_000)) || len(h.Requests()) != 5 {
		t.Errorf("%v after %d requests", err, len(h.Requests()))
	}
}

func TestRemovingKeepsAProjectorThatIsNeeded(t *testing.T) {
	h := newHub(t)
	p := newPuller(t, h.Front.URL, t.TempDir(), nil)
	for _, text := range []string{"qwen3-vl:2b-instruct", "qwen3-vl:2b-instruct@q8_0"} {
		if _, err := p.Get(t.Context(), reference(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := p.Remove(reference(t, "qwen3-vl:2b-instruct")); n != 400_000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := p.Remove(reference(t, "qwen3-vl:2b-instruct@q8_0")); n != 600_000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := p.Remove(reference(t, "qwen3-vl:2b")); !errors.Is(err, ErrNotAtHand) {
		t.Error(err)
	}
	if kept, err := p.List(); err != nil || len(kept.Parts) != 0 {
		t.Errorf("%+v, %v", kept, err)
	}
}

func child(address, root string) *exec.Cmd {
	self, _ := os.Executable()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childHub+"="+address, childCache+"="+root)
	return cmd
}

func TestTwoProcessesFetchEachFileOnce(t *testing.T) {
	h, root := newHub(t), t.TempDir()
	both := make(chan struct{})
	h.SetFault(func(_ http.ResponseWriter, _ *http.Request, _ []byte, n int) bool {
		<-both // so that the second finds all files being fetched
		return false
	})
	first := child(h.Front.URL, root)
	var out [2]bytes.Buffer
	first.Stdout = &out[0]
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a request for each file", func() bool { return len(h.Requests()) == 4 })
	second := child(h.Front.URL, root)
	second.Stdout = &waitFor{w: &out[1], text: "waiting for it", then: sync.OnceFunc(func() { close(both) })}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Wait(), second.Wait()); err != nil {
		t.Errorf("%v: %s, %s", err, &out[0], &out[1])
	}
	if n := len(h.Requests()); n != 4 {
		t.Errorf("%d requests", n)
	}
}

// waitFor calls then when text has been written.
type waitFor struct {
	w    *bytes.Buffer
	text string
	then func()
}

func (w *waitFor) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if strings.Contains(w.w.String(), w.text) {
		w.then()
	}
	return n, err
}

func TestAKilledPullGoesOn(t *testing.T) {
	h, root := newHub(t), t.TempDir()
	begun := make(chan struct{}, 8)
	h.SetFault(func(w http.ResponseWriter, r *http.Request, content []byte, _ int) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:90_000])
		_ = http.NewResponseController(w).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
		return true
	})
	killed := child(h.Front.URL, root)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		<-begun
	}
	partial := func() int64 {
		repos, _ := cache.New(root).Repos()
		n := int64(0)
		for _, r := range repos {
			n += r.Unfinished()
		}
		return n
	}
	testkit.Eventually(t, "the first bytes of each file", func() bool { return partial() == 4*90_000 })
	_ = killed.Process.Kill()
	_ = killed.Wait()
	h.SetFault(nil)
	p := newPuller(t, h.Front.URL, root, nil)
	if _, err := p.AtHand(reference(t, "qwen3-vl:2b")); !errors.Is(err, ErrNotAtHand) {
		t.Fatalf("half a model is shown: %v", err)
	}
	parts, err := p.Get(t.Context(), reference(t, "qwen3-vl:2b"))
	if err != nil || summary(t, parts) != pair {
		t.Fatal(err)
	}
	for _, r := range h.Requests()[4:] {
		if hubtest.Offset(r) != 90_000 {
			t.Errorf("%s went on at %d", r.URL.Path, hubtest.Offset(r))
		}
	}
	if partial() != 0 {
		t.Error("something is left")
	}
}
