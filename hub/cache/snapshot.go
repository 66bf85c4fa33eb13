package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/hub"
)

// Content is where the complete content of f lies.
func (r *Repo) Content(f hub.File) string { return filepath.Join(r.dir, "blobs", f.SHA256) }

// Partial is where a download of f is gathered, by Hugging Face's tools too, under the lock of f.
func (r *Repo) Partial(f hub.File) string { return r.Content(f) + incomplete }

const incomplete = ".incomplete"

// Has says whether the content of f is there. That it is right was checked when it was written.
func (r *Repo) Has(f hub.File) bool {
	info, err := os.Stat(r.Content(f))
	return err == nil && info.Mode().IsRegular() && info.Size() == f.Size
}

// PartialSize is how much of f an earlier download has gathered.
func (r *Repo) PartialSize(f hub.File) int64 {
	info, err := os.Lstat(r.Partial(f))
	if err != nil || !info.Mode().IsRegular() || info.Size() > f.Size {
		return 0
	}
	return info.Size()
}

// Complete makes the content of f known that has been gathered in Partial and checked.
func (r *Repo) Complete(f hub.File) error {
	if err := os.Rename(r.Partial(f), r.Content(f)); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return syncDir(filepath.Dir(r.Content(f)))
}

// Discard forgets the content of f, so that it can be fetched anew.
func (r *Repo) Discard(f hub.File) error {
	if err := os.Remove(r.Content(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// syncDir makes names in a folder survive a loss of power.
func syncDir(name string) error {
	dir, err := os.Open(name) //nolint:gosec // a folder of the cache
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// Link shows the complete content of f under its name in the snapshot of a commit, and returns its path there.
func (r *Repo) Link(commit string, f hub.File) (string, error) {
	if err := checkNames(commit, f.Path); err != nil {
		return "", err
	}
	name := filepath.Join(r.snapshot(commit), filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // as Hugging Face's tools make them
		return "", fmt.Errorf("cache: %w", err)
	}
	content := r.Content(f)
	if same(name, content) {
		return name, nil
	}
	target, err := filepath.Rel(filepath.Dir(name), content)
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cache: %w", err)
	}
	// Some file systems have no symbolic links.
	if os.Symlink(target, name) != nil && os.Link(content, name) != nil && !same(name, content) {
		if err := os.Rename(content, name); err != nil {
			return "", fmt.Errorf("cache: %w", err)
		}
	}
	return name, nil
}

func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func (r *Repo) snapshot(commit string) string { return filepath.Join(r.dir, "snapshots", commit) }

// Path is where a file of a snapshot lies.
func (r *Repo) Path(commit string, f hub.File) string {
	return filepath.Join(r.snapshot(commit), filepath.FromSlash(f.Path))
}

// Commits are those of which there is a snapshot, the latest first.
func (r *Repo) Commits() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, "snapshots"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	var out []string
	changed := map[string]time.Time{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && commitName.MatchString(e.Name()) {
			out = append(out, e.Name())
			changed[e.Name()] = info.ModTime()
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return changed[b].Compare(changed[a]) })
	return out, nil
}

// Files are the complete files of a snapshot.
func (r *Repo) Files(commit string) ([]hub.File, error) {
	root := r.snapshot(commit)
	var out []hub.File
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return nil //nolint:nilerr // a link to what is gone
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f := hub.File{Path: filepath.ToSlash(rel), Size: info.Size()}
		if target, err := os.Readlink(name); err == nil && hashName.MatchString(filepath.Base(target)) {
			f.SHA256 = filepath.Base(target)
		}
		out = append(out, f)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return out, nil
}

// Unfinished are the bytes of downloads that were not finished.
func (r *Repo) Unfinished() int64 {
	names, _ := filepath.Glob(filepath.Join(escape(r.dir), "blobs", "*"+incomplete)) // the pattern is ours
	var n int64
	for _, name := range names {
		if info, err := os.Lstat(name); err == nil {
			n += info.Size()
		}
	}
	return n
}

func escape(dir string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(dir)
}

// Remove takes files out of a snapshot, and frees their content where no other snapshot shows it. It returns how many
// bytes that freed.
func (r *Repo) Remove(commit string, files []hub.File) (freed int64, err error) {
	for _, f := range files {
		if err := checkNames(commit, f.Path); err != nil {
			return freed, err
		}
		name := r.Path(commit, f)
		info, err := os.Lstat(name)
		if err != nil {
			return freed, fmt.Errorf("cache: %w", err)
		}
		if err := os.Remove(name); err != nil {
			return freed, fmt.Errorf("cache: %w", err)
		}
		if info.Mode().IsRegular() {
			freed += info.Size()
		}
		r.prune(path.Join("snapshots", commit, path.Dir(f.Path)))
		if f.SHA256 == "" {
			continue
		}
		shown, err := r.shows(f.SHA256)
		if err != nil || shown {
			return freed, err
		}
		if info, err := os.Lstat(r.Content(f)); err == nil {
			freed += info.Size()
		}
		if err := r.Discard(f); err != nil {
			return freed, err
		}
	}
	return freed, r.forget()
}

// RemoveUnfinished removes what downloads have left that nobody works on.
func (r *Repo) RemoveUnfinished() (freed int64, err error) {
	names, _ := filepath.Glob(filepath.Join(escape(r.dir), "blobs", "*"+incomplete)) // the pattern is ours
	for _, name := range names {
		sum := strings.TrimSuffix(filepath.Base(name), incomplete)
		lock, err := r.tryLock(sum)
		if err != nil {
			return freed, err
		}
		if lock == nil {
			return freed, fmt.Errorf("another process is fetching files of %s", r.Name)
		}
		info, err := os.Lstat(name)
		if err == nil {
			err = os.Remove(name)
		}
		lock.Release()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return freed, fmt.Errorf("cache: %w", err)
		}
		if info != nil {
			freed += info.Size()
		}
	}
	return freed, r.forget()
}

// prune removes a folder below the repository's, and those above it, while they are empty.
func (r *Repo) prune(below string) {
	for ; below != "." && below != "/"; below = path.Dir(below) {
		if os.Remove(filepath.Join(r.dir, filepath.FromSlash(below))) != nil {
			return
		}
	}
}

// shows says whether a snapshot has a link to the content with this hash.
func (r *Repo) shows(sum string) (bool, error) {
	commits, err := r.Commits()
	if err != nil {
		return false, err
	}
	for _, c := range commits {
		files, err := r.Files(c)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(files, func(f hub.File) bool { return f.SHA256 == sum }) {
			return true, nil
		}
	}
	return false, nil
}

// forget removes the repository's folder once no content is left, so that no branch leads to nothing.
func (r *Repo) forget() error {
	commits, err := r.Commits()
	if err != nil || len(commits) > 0 {
		return err
	}
	if entries, err := os.ReadDir(filepath.Join(r.dir, "blobs")); err == nil && len(entries) > 0 {
		return nil
	}
	if err := os.RemoveAll(r.dir); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}
