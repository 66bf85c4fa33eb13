package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/cache"
	"github.com/qwenvld/qwenvld/hub/fetch"
)

// SpaceError is that a disk is too full for what is to come.
type SpaceError struct {
	// Dir is where the files would be kept.
	Dir          string
	Needed, Free int64
}

// Error implements error.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s has %.1f GB free, %.1f GB are needed (HF_HUB_CACHE names another folder)",
		e.Dir, float64(e.Free)/1e9, float64(e.Needed)/1e9)
}

// Fetch brings what is missing of the parts, and shows each part's files in the cache once all of them are there.
// Before anything is fetched it makes sure that there is room for all. Two processes that fetch the same file fetch it
// once.
func (p *Puller) Fetch(ctx context.Context, parts []Part) error {
	if err := p.checkSpace(parts); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.o.Parallel)
	seen := map[string]bool{}
	for i := range parts {
		part := &parts[i]
		for _, f := range part.Missing() {
			if id := part.repo.Dir() + f.SHA256; !seen[id] {
				seen[id] = true
				g.Go(func() error { return p.fetch(gctx, part, f) })
			}
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range parts {
		if err := parts[i].show(); err != nil {
			return err
		}
	}
	return nil
}

// checkSpace sums what is missing by the cache that it goes to.
func (p *Puller) checkSpace(parts []Part) error {
	needed := map[*cache.Cache]int64{}
	seen := map[string]bool{}
	for i := range parts {
		part := &parts[i]
		for _, f := range part.Missing() {
			if id := part.repo.Dir() + f.SHA256; !seen[id] {
				seen[id] = true
				needed[p.cache(part.Source.Host)] += f.Size - part.repo.PartialSize(f)
			}
		}
	}
	for c, n := range needed {
		free, err := c.Free()
		if err != nil {
			return err
		}
		if n > free {
			return &SpaceError{Dir: c.Root(), Needed: n, Free: free}
		}
	}
	return nil
}

// fetch brings one file, unless another process has brought it meanwhile.
func (p *Puller) fetch(ctx context.Context, part *Part, f hub.File) error {
	name := path.Base(f.Path)
	report := func(done int64, note string, complete bool) {
		p.o.Report(Event{File: name, Size: f.Size, Done: done, Note: note, Complete: complete})
	}
	lock, err := part.repo.Lock(ctx, f, func() { report(0, "another process fetches this file: waiting for it", false) })
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	defer lock.Release()
	if part.repo.Has(f) {
		report(f.Size, "", true)
		return nil
	}
	done := part.repo.PartialSize(f)
	report(done, "", false)
	err = p.o.Client.Download(ctx, part.Source, part.Commit, f, part.repo.Partial(f), fetch.Watcher{
		Progress: func(n int64) { done = n; report(n, "", false) },
		Note:     func(text string) { report(done, text, false) },
	})
	if err != nil {
		return err
	}
	if err := part.repo.Complete(f); err != nil {
		return err
	}
	report(f.Size, "", true)
	return nil
}

// show puts the part's files, all of which are there, under their names, and last of all notes the commit.
func (p *Part) show() error {
	if p.repo == nil {
		return nil
	}
	for _, f := range p.Files() {
		if !p.repo.Has(f) {
			continue // it lies in the snapshot itself, where links are not possible
		}
		if _, err := p.repo.Link(p.Commit, f); err != nil {
			return err
		}
	}
	return p.repo.SetCommit(p.Source.Revision, p.Commit)
}

// Verify reads the files of the parts that are at hand and forgets those that are not what the hub says, so that Fetch
// brings them anew.
func (p *Puller) Verify(ctx context.Context, parts []Part) error {
	for i := range parts {
		part := &parts[i]
		if part.repo == nil {
			continue
		}
		for _, f := range part.Files() {
			if !part.repo.Has(f) {
				continue
			}
			got, err := hashOf(ctx, part.repo.Content(f))
			if err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
			if got == f.SHA256 {
				continue
			}
			p.o.Report(Event{File: path.Base(f.Path), Size: f.Size, Note: "what is on the disk is not what the hub has: fetching it anew"})
			if err := part.repo.Discard(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// readerFunc is a reader that is a function.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func hashOf(ctx context.Context, name string) (string, error) {
	file, err := os.Open(name) //nolint:gosec // a file of the cache
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, readerFunc(func(b []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return file.Read(b)
	}))
	return hex.EncodeToString(sum.Sum(nil)), err
}
