package pull

import (
	"fmt"

	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/cache"
)

// Kept is what the caches hold.
type Kept struct {
	// Parts are the models that are complete.
	Parts []Part
	// Unfinished are bytes of downloads that were broken off, by source.
	Unfinished map[hub.Source]int64
}

// List finds all models in the caches, whoever fetched them.
func (p *Puller) List() (*Kept, error) {
	kept := &Kept{Unfinished: map[hub.Source]int64{}}
	for _, host := range []hub.Host{hub.HuggingFace, hub.ModelScope} {
		repos, err := p.cache(host).Repos()
		if err != nil {
			return nil, err
		}
		for _, repo := range repos {
			if err := kept.add(host, repo); err != nil {
				return nil, err
			}
		}
	}
	return kept, nil
}

func (k *Kept) add(host hub.Host, repo *cache.Repo) error {
	r, err := hub.Parse(string(host) + "/" + repo.Name)
	if err != nil {
		return nil //nolint:nilerr // a folder that only looks like a repository's
	}
	s := r.Sources[0]
	commits, err := repo.Commits()
	if err != nil {
		return err
	}
	latest, _ := repo.Commit(s.Revision)
	for _, commit := range commits {
		at := s
		if commit != latest {
			at.Revision = commit
		}
		files, err := repo.Files(commit)
		if err != nil {
			return err
		}
		k.Parts = append(k.Parts, parts(at, commit, repo, hub.All(files, s.Variant))...)
	}
	if n := repo.Unfinished(); n > 0 {
		k.Unfinished[s] = n
	}
	return nil
}

// Remove removes the model from the caches, with what downloads of its repositories have left. A projector stays while
// another model of its repository needs it. What several commits hold goes from all of them. Nothing is removed from
// folders. It returns how many bytes that freed, or ErrNotAtHand where nothing was there.
func (p *Puller) Remove(r hub.Reference) (freed int64, err error) {
	found := false
	for _, s := range r.Sources {
		if s.Host == hub.Folder {
			return freed, fmt.Errorf("%s is a folder of yours: nothing is removed there", s.Repo)
		}
		repo := p.cache(s.Host).Repo(s.Repo)
		for parts, err := p.kept(s); err == nil; parts, err = p.kept(s) {
			found = true
			s.Quant = parts[0].Quant // not the next that is there
			for i := range parts {
				n, err := parts[i].remove()
				if freed += n; err != nil {
					return freed, err
				}
			}
			if s.Quant == "" {
				break // what is left is something else
			}
		}
		if repo.Unfinished() > 0 {
			found = true
			n, err := repo.RemoveUnfinished()
			if freed += n; err != nil {
				return freed, err
			}
		}
	}
	if !found {
		return 0, fmt.Errorf("%s: %w", r.Text, ErrNotAtHand)
	}
	return freed, nil
}

func (p *Part) remove() (freed int64, err error) {
	freed, err = p.repo.Remove(p.Commit, p.Model)
	if err != nil || p.Projector == nil {
		return freed, err
	}
	left, err := p.repo.Files(p.Commit)
	if err != nil {
		return freed, err
	}
	for _, c := range hub.All(left, p.Source.Variant) {
		if c.Projector != nil && c.Projector.Path == p.Projector.Path {
			return freed, nil
		}
	}
	n, err := p.repo.Remove(p.Commit, []hub.File{*p.Projector})
	return freed + n, err
}
