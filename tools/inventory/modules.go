package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// listedPackage is what `go list` says of a package.
type listedPackage struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// linkedModules are the modules whose packages a program is linked from, Go's own library among them. What a module
// carries of others, with a licence in a folder of its own, is listed as its part.
func linkedModules(ctx context.Context, folder, pkg string) ([]component, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Dir,Standard,Module", pkg) //nolint:gosec // the arguments are the user's own
	cmd.Dir = folder
	var messages bytes.Buffer
	cmd.Stderr = &messages
	listed, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, bytes.TrimSpace(messages.Bytes()))
	}
	modules := map[string]*linkedModule{}
	for dec := json.NewDecoder(bytes.NewReader(listed)); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Module == nil || p.Module.Main {
			continue
		}
		m := modules[p.Module.Path]
		if m == nil {
			m = &linkedModule{path: p.Module.Path, version: p.Module.Version, dir: p.Module.Dir, folders: map[string]bool{}}
			modules[m.path] = m
		}
		m.add(p.Dir)
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	out := []component{}
	library := &linkedModule{path: "std", version: strings.TrimPrefix(runtime.Version(), "go"), dir: strings.TrimSpace(string(goroot)), folders: map[string]bool{".": true}}
	for _, m := range append(slices.Collect(maps.Values(modules)), library) {
		c, err := m.component(os.DirFS(m.dir))
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// linkedModule is a module with the folders, relative to its own, in which licences of what is linked may lie.
type linkedModule struct {
	path, version, dir string
	folders            map[string]bool
}

// add takes note of a package's folder and those above it.
func (m *linkedModule) add(dir string) {
	rel, err := filepath.Rel(m.dir, dir)
	if err != nil {
		return
	}
	for rel = filepath.ToSlash(rel); ; rel = path.Dir(rel) {
		m.folders[rel] = true
		if rel == "." {
			return
		}
	}
}

// component of a module whose files are given.
func (m *linkedModule) component(files fs.FS) (component, error) {
	url := "pkg:golang/" + m.path + "@" + strings.ReplaceAll(m.version, "+", "%2B")
	out := component{kind: "library", name: m.path, version: m.version, purl: url}
	for _, folder := range slices.Sorted(maps.Keys(m.folders)) {
		texts, err := licenceTexts(files, folder)
		if err != nil {
			return component{}, err
		}
		switch {
		case folder == ".":
			out.texts, out.licences = texts, identifiers(texts)
		case len(texts) > 0:
			out.parts = append(out.parts, component{
				kind: "library", name: m.path + "/" + folder, version: m.version, purl: url + "#" + folder,
				texts: texts, licences: identifiers(texts),
			})
		}
	}
	return out, nil
}

var licenceName = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|copyright|notice|patents|eula)|licen[cs]e(\.(txt|md))?$`)

// licenceTexts are the files of a folder that are named like licences.
func licenceTexts(files fs.FS, folder string) ([]text, error) {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, fmt.Errorf("look for licences: %w", err)
	}
	var out []text
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceName.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		data, err := fs.ReadFile(files, path.Join(folder, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("look for licences: %w", err)
		}
		out = append(out, text{name: e.Name(), data: data})
	}
	return out, nil
}

// identifiers are SPDX's for texts, where they make up most of a file.
func identifiers(texts []text) []string {
	const most = 60 // per cent
	found := map[string]bool{}
	for _, t := range texts {
		coverage := licensecheck.Scan(t.data)
		if coverage.Percent < most {
			continue
		}
		for _, m := range coverage.Match {
			found[m.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
