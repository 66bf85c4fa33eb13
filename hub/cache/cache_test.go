package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/hub"
)

var commit = strings.Repeat("c0", 20)

// fileOf is a file with its content written where a download would gather it.
func fileOf(t *testing.T, r *Repo, path, content string) hub.File {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	f := hub.File{Path: path, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	if err := os.MkdirAll(filepath.Dir(r.Partial(f)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.Partial(f), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

// kept is fileOf, completed and shown.
func kept(t *testing.T, r *Repo, path, content string) hub.File {
	t.Helper()
	f := fileOf(t, r, path, content)
	if err := r.Complete(f); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Link(commit, f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheLayoutIsHuggingFaces(t *testing.T) {
	root := t.TempDir()
	r := New(root).Repo("Qwen/X-GGUF")
	f := kept(t, r, "Q8_0/x.gguf", "weights")
	if err := r.SetCommit("main", commit); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(root, "models--Qwen--X-GGUF", "snapshots", commit, "Q8_0", "x.gguf")
	target, err := os.Readlink(link)
	if err != nil || target != "../../../blobs/"+f.SHA256 {
		t.Errorf("%s, %v", target, err)
	}
	if text, err := os.ReadFile(link); err != nil || string(text) != "weights" {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(root, "models--Qwen--X-GGUF", "refs", "main")); err != nil || string(text) != commit {
		t.Errorf("%s, %v", text, err)
	}
	got, ok := r.Commit("main")
	files, err := r.Files(got)
	if diff := cmp.Diff([]hub.File{f}, files); !ok || err != nil || diff != "" {
		t.Error(ok, err, diff)
	}
}

func TestNothingIsShownThatIsNotComplete(t *testing.T) {
	r := New(t.TempDir()).Repo("a/b")
	f := fileOf(t, r, "x.gguf", "half")
	files, err := r.Files(commit)
	if r.Has(f) || len(files) > 0 || err != nil || r.PartialSize(f) != 4 || r.Unfinished() != 4 {
		t.Error(files, err, r.PartialSize(f))
	}
	// What is longer than the whole cannot be its beginning.
	f.Size = 3
	if n := r.PartialSize(f); n != 0 {
		t.Error(n)
	}
}

func TestNamesOfAHubLeadNowhereElse(t *testing.T) {
	r := New(t.TempDir()).Repo("a/b")
	f := kept(t, r, "x.gguf", "x")
	for _, name := range []string{"../x", "/etc/x", "a/../../x", "", ".", "a\\b", "a\x00"} {
		bad := f
		bad.Path = name
		if got, err := r.Link(commit, bad); err == nil {
			t.Errorf("%q was linked at %s", name, got)
		}
		if err := r.SetCommit(name, commit); err == nil {
			t.Errorf("%q is a branch", name)
		}
	}
	for _, name := range []string{"", "..", "main", strings.Repeat("C0", 20)} {
		if _, err := r.Link(name, f); err == nil {
			t.Errorf("%q is a commit", name)
		}
	}
	if _, ok := r.Commit("../../x"); ok {
		t.Error("a branch of elsewhere")
	}
}

func TestRemovingKeepsWhatOthersShow(t *testing.T) {
	root := t.TempDir()
	r := New(root).Repo("a/b")
	f, other := kept(t, r, "d/x.gguf", "shared"), kept(t, r, "y.gguf", "other")
	second := strings.Repeat("d1", 20)
	if _, err := r.Link(second, f); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Remove(commit, []hub.File{f}); n != 0 || err != nil || !r.Has(f) {
		t.Errorf("%d, %v: another snapshot shows it", n, err)
	}
	if n, err := r.Remove(second, []hub.File{f}); n != 6 || err != nil || r.Has(f) || !r.Has(other) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := r.Remove(commit, []hub.File{other}); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := os.Stat(r.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty repository stayed: %v", err)
	}
	if repos, err := New(root).Repos(); len(repos) != 0 || err != nil {
		t.Error(repos, err)
	}
}

func TestALockIsOneProcesss(t *testing.T) {
	r := New(t.TempDir()).Repo("a/b")
	f := hub.File{SHA256: strings.Repeat("ab", 32)}
	held, err := r.Lock(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan struct{})
	got := make(chan error, 1)
	go func() {
		second, err := r.Lock(t.Context(), f, func() { close(waits) })
		if err == nil {
			second.Release()
		}
		got <- err
	}()
	<-waits
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Lock(ctx, f, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("waited although nobody waits: %v", err)
	}
	if _, err := r.RemoveUnfinished(); err != nil {
		t.Error(err)
	}
	held.Release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestUnfinishedDownloadsAreRemovedUnlessTheyGoOn(t *testing.T) {
	r := New(t.TempDir()).Repo("a/b")
	f := fileOf(t, r, "x.gguf", "half")
	lock, err := r.Lock(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.RemoveUnfinished(); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Error(err)
	}
	lock.Release()
	if n, err := r.RemoveUnfinished(); n != 4 || err != nil {
		t.Error(n, err)
	}
}

func TestThePlaceIsThatOfHuggingFacesTools(t *testing.T) {
	for _, c := range []struct {
		variables map[string]string
		want      string
	}{
		{nil, "/home/u/.cache/huggingface/hub"},
		{map[string]string{"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"},
		{map[string]string{"XDG_CACHE_HOME": "/x", "HF_HOME": "~/hf"}, "/home/u/hf/hub"},
		{map[string]string{"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"},
		{map[string]string{"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "/new"}, "/new"},
	} {
		if got := Place(func(name string) string { return c.variables[name] }, "/home/u"); got != c.want {
			t.Errorf("%v: %s, want %s", c.variables, got, c.want)
		}
	}
}

func TestFreeSpaceIsThatOfTheFolderAbove(t *testing.T) {
	n, err := New(filepath.Join(t.TempDir(), "not", "there")).Free()
	if n <= 0 || err != nil {
		t.Error(n, err)
	}
}
