// Package cache keeps repositories as Hugging Face's tools do: blobs by their hash, snapshots of a commit as links to
// them, and the commit that each branch had last. So what `hf` or llama-server fetched is found, and they find what is
// put here.
//
// It must not reach the network, and it must not show a file under its name in a snapshot before all of it is there.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// Cache is a folder of repositories.
type Cache struct{ root string }

// New makes the cache in the folder root, which need not be there yet.
func New(root string) *Cache { return &Cache{root} }

// Root is the cache's folder.
func (c *Cache) Root() string { return c.root }

const (
	prefix    = "models--"
	separator = "--"
)

// Repo is what the cache has of the repository "organisation/name".
func (c *Cache) Repo(name string) *Repo {
	dir := prefix + strings.ReplaceAll(name, "/", separator)
	return &Repo{Name: name, dir: filepath.Join(c.root, dir), locks: filepath.Join(c.root, ".locks", dir)}
}

// Repos are all repositories of models that the cache has something of, by name.
func (c *Cache) Repos() ([]*Repo, error) {
	entries, err := os.ReadDir(c.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	var out []*Repo
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), prefix)
		if org, repo, two := strings.Cut(name, separator); ok && two {
			out = append(out, c.Repo(org+"/"+repo))
		}
	}
	return out, nil
}

// Free is how many bytes can still be written where the cache lies.
func (c *Cache) Free() (int64, error) {
	dir := c.root
	for {
		var s unix.Statfs_t
		err := unix.Statfs(dir, &s)
		if err == nil {
			return int64(s.Bavail * uint64(s.Bsize)), nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, unix.ENOENT) || parent == dir {
			return 0, fmt.Errorf("cache: free space of %s: %w", dir, err)
		}
		dir = parent // the folder will be made
	}
}

// Repo is what is kept of one repository.
type Repo struct {
	// Name is "organisation/name".
	Name  string
	dir   string
	locks string
}

// Dir is the folder of the repository.
func (r *Repo) Dir() string { return r.dir }

var (
	commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)
	hashName   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Commit is the commit that a branch or tag had when it was last asked for, or revision itself if it is one.
func (r *Repo) Commit(revision string) (string, bool) {
	if commitName.MatchString(revision) {
		return revision, true
	}
	if !filepath.IsLocal(revision) {
		return "", false
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "refs", filepath.FromSlash(revision)))
	commit := strings.TrimSpace(string(text))
	return commit, err == nil && commitName.MatchString(commit)
}

// SetCommit notes the commit of a branch or tag. It comes after the files of the commit.
func (r *Repo) SetCommit(revision, commit string) error {
	if revision == commit {
		return nil
	}
	if err := checkNames(commit, revision); err != nil {
		return err
	}
	name := filepath.Join(r.dir, "refs", filepath.FromSlash(revision))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // as Hugging Face's tools make them
		return fmt.Errorf("cache: %w", err)
	}
	return replace(name, []byte(commit))
}

// replace writes a file as a whole or not at all.
func replace(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// checkNames refuses what a hub may not say: names that lead out of the repository's folder.
func checkNames(commit string, paths ...string) error {
	if !commitName.MatchString(commit) {
		return fmt.Errorf("cache: %q is no commit", commit)
	}
	for _, p := range paths {
		if !fs.ValidPath(p) || p == "." || strings.ContainsAny(p, "\\\x00") {
			return fmt.Errorf("cache: %q is no name of a file", p)
		}
	}
	return nil
}
