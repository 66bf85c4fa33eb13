// Package pull brings the files of a model onto this machine: it finds what is at hand, asks the hub for the rest, and
// keeps what comes in Hugging Face's cache.
//
// It must not load models or judge what is in their files, beyond their hash.
package pull

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/cache"
	"github.com/qwenvld/qwenvld/hub/fetch"
)

// Options of a Puller.
type Options struct {
	Client *fetch.Client
	// HuggingFace and ModelScope are where files of these hubs are kept.
	HuggingFace, ModelScope *cache.Cache
	// Offline asks no hub.
	Offline bool
	// Parallel is how many files are fetched at a time (4).
	Parallel int
	// Report is told what happens, by several goroutines; it may be nil.
	Report func(Event)
}

// Event is news of one file.
type Event struct {
	// File is the name of the file, without folders.
	File string
	// Size of the file, and how much of it is there.
	Size, Done int64
	// Note is what happened in words, empty where only Done has grown.
	Note string
	// Complete says that the file is there and checked.
	Complete bool
}

// Puller brings models. It is safe for concurrent use.
type Puller struct{ o Options }

// New makes a puller.
func New(o Options) *Puller {
	o.Parallel = cmp.Or(o.Parallel, 4)
	if o.Report == nil {
		o.Report = func(Event) {}
	}
	return &Puller{o}
}

// Part is one variant of a model: which files of which commit of its source it is made of.
type Part struct {
	hub.Choice
	Source hub.Source
	// Commit is empty in folders.
	Commit string

	repo *cache.Repo // nil in folders
}

// path is where a file of the part lies once it is there.
func (p *Part) path(f hub.File) string {
	if p.repo == nil {
		return filepath.Join(p.Source.Repo, filepath.FromSlash(f.Path))
	}
	return p.repo.Path(p.Commit, f)
}

// ModelPath is the model's file, or the first of its parts.
func (p *Part) ModelPath() string { return p.path(p.Model[0]) }

// ProjectorPath is the projector's file, empty without one.
func (p *Part) ProjectorPath() string {
	if p.Projector == nil {
		return ""
	}
	return p.path(*p.Projector)
}

// Missing are the files of the part that are not on this machine.
func (p *Part) Missing() []hub.File {
	var out []hub.File
	for _, f := range p.Files() {
		if p.repo != nil && !p.repo.Has(f) {
			if _, err := os.Stat(p.path(f)); err != nil {
				out = append(out, f)
			}
		}
	}
	return out
}

// Name is how a user names the part.
func (p *Part) Name() string {
	if p.Quant == "" {
		return p.Source.String()
	}
	return p.Source.String() + ":" + p.Quant
}

// ErrNotAtHand is that files of a model are not on this machine.
var ErrNotAtHand = errors.New("not on this machine")

// cache is where files of a host are kept.
func (p *Puller) cache(h hub.Host) *cache.Cache {
	if h == hub.ModelScope {
		return p.o.ModelScope
	}
	return p.o.HuggingFace
}

// AtHand finds the model on this machine, asking nobody. Where something is missing it returns ErrNotAtHand.
func (p *Puller) AtHand(r hub.Reference) ([]Part, error) {
	var out []Part
	for _, s := range r.Sources {
		parts, err := p.atHand(s)
		if err != nil {
			return nil, err
		}
		out = append(out, parts...)
	}
	return out, nil
}

func (p *Puller) atHand(s hub.Source) ([]Part, error) {
	if s.Host == hub.Folder {
		return folder(s)
	}
	out, err := p.kept(s)
	if err != nil {
		return nil, err
	}
	for i := range out {
		// That the repository has no projector only the hub can say.
		if out[i].Projector == nil && !p.o.Offline {
			return nil, fmt.Errorf("%s: %w: the projector", s, ErrNotAtHand)
		}
	}
	return out, nil
}

// kept finds what the cache has of a source: in the commit that its branch had last, else, unless another branch is
// asked for than the usual one, in an earlier one. Fetching another quantisation moves the branch on, but what was
// fetched before stays in its commit.
func (p *Puller) kept(s hub.Source) ([]Part, error) {
	repo := p.cache(s.Host).Repo(s.Repo)
	var commits []string
	if commit, ok := repo.Commit(s.Revision); ok {
		commits = append(commits, commit)
	}
	if s.IsUsualRevision() {
		others, err := repo.Commits()
		if err != nil {
			return nil, err
		}
		commits = append(commits, others...)
	}
	reason := ErrNotAtHand
	for _, commit := range commits {
		files, err := repo.Files(commit)
		if err != nil {
			return nil, err
		}
		choices, err := hub.Choose(files, s.Variant, s.Quant)
		if err == nil {
			return parts(s, commit, repo, choices), nil
		}
		if len(files) > 0 && errors.Is(reason, ErrNotAtHand) {
			reason = fmt.Errorf("%w: %w", ErrNotAtHand, err)
		}
	}
	return nil, fmt.Errorf("%s: %w", s, reason)
}

func parts(s hub.Source, commit string, repo *cache.Repo, choices []hub.Choice) []Part {
	var out []Part
	for _, c := range choices {
		out = append(out, Part{Choice: c, Source: s, Commit: commit, repo: repo})
	}
	return out
}

// folder finds the files in a folder and those below it.
func folder(s hub.Source) ([]Part, error) {
	var files []hub.File
	info, err := os.Stat(s.Repo)
	if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is a file: give its folder, or name the file in the configuration", s.Repo)
	}
	if err == nil {
		err = filepath.WalkDir(s.Repo, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := os.Stat(name)
			if err != nil || !info.Mode().IsRegular() {
				return nil //nolint:nilerr // a link to what is gone
			}
			rel, err := filepath.Rel(s.Repo, name)
			files = append(files, hub.File{Path: filepath.ToSlash(rel), Size: info.Size()})
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("folder of models: %w", err)
	}
	choices, err := hub.Choose(files, s.Variant, s.Quant)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Repo, err)
	}
	return parts(s, "", nil, choices), nil
}

// Ask asks the hubs which files the model is made of now. Folders are looked into.
func (p *Puller) Ask(ctx context.Context, r hub.Reference) ([]Part, error) {
	if p.o.Offline {
		return p.AtHand(r)
	}
	var out []Part
	for _, s := range r.Sources {
		if s.Host == hub.Folder {
			parts, err := folder(s)
			if err != nil {
				return nil, err
			}
			out = append(out, parts...)
			continue
		}
		listing, err := p.o.Client.List(ctx, s, func(note string) { p.o.Report(Event{File: s.String(), Note: note}) })
		if err != nil {
			return nil, err
		}
		choices, err := hub.Choose(listing.Files, s.Variant, s.Quant)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		out = append(out, parts(s, listing.Commit, p.cache(s.Host).Repo(s.Repo), choices)...)
	}
	return out, nil
}

// Get is AtHand where all is at hand, so that a start neither depends on the hub nor changes the weights; else what is
// missing is fetched.
func (p *Puller) Get(ctx context.Context, r hub.Reference) ([]Part, error) {
	out, err := p.AtHand(r)
	if !errors.Is(err, ErrNotAtHand) || p.o.Offline {
		return out, err
	}
	if out, err = p.Ask(ctx, r); err != nil {
		return nil, err
	}
	return out, p.Fetch(ctx, out)
}

// Open reads a file of the part from its beginning, from the hub where it is not at hand.
func (p *Puller) Open(ctx context.Context, part *Part, f hub.File) (io.ReadCloser, error) {
	file, err := os.Open(part.path(f))
	if errors.Is(err, fs.ErrNotExist) && part.repo != nil && !p.o.Offline {
		return p.o.Client.Open(ctx, part.Source, part.Commit, f.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Path, err)
	}
	return file, nil
}
