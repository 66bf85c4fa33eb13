// Package hub says which files of which repository a name such as qwen3-vl:8b stands for.
//
// It must not reach the network or the disk: package fetch lists and downloads, package cache keeps.
package hub

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Host is where a repository lies.
type Host string

// Hosts of repositories. A Folder lies on this machine.
const (
	HuggingFace Host = "hf.co"
	ModelScope  Host = "modelscope.cn"
	Folder      Host = "folder"
)

// Variant is one of the two sets of weights.
type Variant string

// The variants of Qwen3-VL.
const (
	Instruct Variant = "instruct"
	Thinking Variant = "thinking"
)

// Source is one repository, or a folder, and what of it is meant.
type Source struct {
	Host Host
	// Repo is "organisation/name", or the path of a folder.
	Repo string
	// Revision is a branch, a tag or a commit; empty in folders.
	Revision string
	// Quant is the quantisation in capitals; empty leaves the choice to Choose.
	Quant string
	// Variant is what the repository holds; empty where only its files' names can tell.
	Variant Variant
}

// String is the source as a user writes it, without its quantisation.
func (s Source) String() string {
	if s.Host == Folder {
		return s.Repo
	}
	text := string(s.Host) + "/" + s.Repo
	if !s.IsUsualRevision() {
		text += "@" + s.Revision
	}
	return text
}

// Reference is a model as a user names it.
type Reference struct {
	// Text is what the user wrote.
	Text string
	// Sources are where its variants come from.
	Sources []Source
}

// IsUsualRevision says that no revision in particular was asked for.
func (s Source) IsUsualRevision() bool { return s.Revision == defaultRevision(s.Host) }

func defaultRevision(h Host) string {
	if h == ModelScope {
		return "master"
	}
	return "main"
}

// prefixes are how names of repositories begin; the longest that fit come first.
func prefixes() []struct {
	text string
	host Host
} {
	return []struct {
		text string
		host Host
	}{
		{"hf.co/", HuggingFace},
		{"huggingface.co/", HuggingFace},
		{"modelscope.cn/models/", ModelScope},
		{"modelscope.cn/", ModelScope},
	}
}

// Parse reads qwen3-vl:SIZE[-VARIANT][@QUANT], hf.co/ORG/REPO[@REVISION][:QUANT], the same of modelscope.cn, and
// FOLDER[:QUANT], which begins with a slash or a dot.
func Parse(text string) (Reference, error) {
	r := Reference{Text: text}
	name := strings.TrimPrefix(text, "https://")
	if tag, ok := strings.CutPrefix(name, presetName+":"); ok || name == presetName {
		sources, err := preset(tag)
		r.Sources = sources
		return r, err
	}
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") {
		r.Sources = []Source{folder(text)}
		return r, nil
	}
	for _, host := range []string{"ollama.com/", "registry.ollama.ai/", "ollama.ai/"} {
		if strings.HasPrefix(name, host) {
			return r, fmt.Errorf("%q: Ollama keeps Qwen3-VL in one file, which llama.cpp cannot load; "+
				"`qwenvld pull %s:8b` gets files that it can", text, presetName)
		}
	}
	for _, p := range prefixes() {
		if rest, ok := strings.CutPrefix(name, p.text); ok {
			source, err := repository(p.host, rest)
			if err != nil {
				return r, fmt.Errorf("%q: %w", text, err)
			}
			r.Sources = []Source{source}
			return r, nil
		}
	}
	return r, fmt.Errorf("%q names no model: write %s:2b or another size (%s), hf.co/ORGANISATION/REPOSITORY[:QUANTISATION], "+
		"modelscope.cn/ORGANISATION/REPOSITORY[:QUANTISATION], or a folder that begins with ./ or /",
		text, presetName, strings.Join(Sizes(), ", "))
}

func folder(text string) Source {
	path, quant := text, ""
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, '/') && quantName.MatchString(text[i+1:]) {
		path, quant = text[:i], strings.ToUpper(text[i+1:])
	}
	return Source{Host: Folder, Repo: filepath.Clean(path), Quant: quant}
}

// repoName is what the hubs allow. Two dashes would be read as a slash in the cache.
var repoName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// revisionName has no part that could lead out of a folder.
var revisionName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)

func repository(host Host, rest string) (Source, error) {
	s := Source{Host: host, Revision: defaultRevision(host)}
	repo, quant, hasQuant := strings.Cut(strings.TrimSuffix(rest, "/"), ":")
	repo, revision, hasRevision := strings.Cut(repo, "@")
	s.Repo = repo
	switch {
	case !repoName.MatchString(repo) || strings.Contains(repo, "--") || strings.Contains(repo, ".."):
		return s, fmt.Errorf("%q is not ORGANISATION/REPOSITORY", repo)
	case hasQuant && !quantName.MatchString(quant):
		return s, fmt.Errorf("%q is no quantisation such as Q4_K_M or Q8_0", quant)
	case hasRevision && !validRevision(revision):
		return s, fmt.Errorf("%q is no revision", revision)
	}
	if hasRevision {
		s.Revision = revision
	}
	s.Quant = strings.ToUpper(quant)
	s.Variant = variantIn(repo)
	return s, nil
}

func validRevision(text string) bool {
	return revisionName.MatchString(text) && !strings.Contains(text, "..")
}

// variantIn tells the variant from a name, "" where it says none.
func variantIn(name string) Variant {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "thinking"):
		return Thinking
	case strings.Contains(name, "instruct"):
		return Instruct
	}
	return ""
}
