// Package qwenvld_test holds the rules of this repository that a compiler does not check: comments (style_comments_test.go), the
// direction of imports and the C boundary (style_imports_test.go), records of decisions, sizes of files. It is not about behaviour; that
// is tested beside the code. What `make house` measures has no limits here.
package qwenvld_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/qwenvld/qwenvld"

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	Dir        string
	ImportPath string
	Name       string
	GoFiles    []string
	CgoFiles   []string
	Imports    []string // direct, without tests
	Deps       []string // transitive, without tests
}

// rel is the package's folder inside the module, "." for the root.
func (p goPackage) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func (p goPackage) files() []string { return append(slices.Clone(p.GoFiles), p.CgoFiles...) }

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=Dir,ImportPath,Name,GoFiles,CgoFiles,Imports,Deps", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.files()) > 0 { // the root has tests only
			packages = append(packages, p)
		}
	}
	return packages
}

func TestFilesStayShort(t *testing.T) {
	const limit = 500
	for _, name := range sourceFiles(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(data, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines; split it by subject, %d is the limit", name, n, limit)
		}
	}
}

// sourceFiles lists the hand-written sources, tests left out.
func sourceFiles(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if slices.Contains([]string{".go", ".c", ".cpp", ".h", ".hpp"}, filepath.Ext(name)) && !strings.HasSuffix(name, "_test.go") {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatal("no sources found")
	}
	return names
}

func TestPackagesAreNamedAfterWhatTheyDo(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "base", "shared", "types", "lib"}
	for _, p := range listPackages(t) {
		if slices.Contains(banned, p.Name) || slices.Contains(banned, path.Base(p.rel())) {
			t.Errorf("%s: the name says nothing about the package", p.ImportPath)
		}
	}
}

func TestGoModReplacesNothing(t *testing.T) {
	for _, name := range []string{"go.mod", "tools/go.mod"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// A replace directive would break `go install` and hide what is built.
		if regexp.MustCompile(`(?m)^\s*replace\b`).Match(data) {
			t.Errorf("%s has a replace directive", name)
		}
	}
}

func TestTheIndexListsEveryDecision(t *testing.T) {
	index, err := os.ReadFile("docs/decisions/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/decisions/[0-9]*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d decisions, %v", len(pages), err)
	}
	for i, name := range pages {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%03d-", i+1); !strings.HasPrefix(filepath.Base(name), want) {
			t.Errorf("%s: the next number is %s", name, want)
		}
		title, _, _ := strings.Cut(string(page), "\n")
		_, title, _ = strings.Cut(title, ". ")
		if row := fmt.Sprintf("| %d | [%s](%s) |", i+1, title, filepath.Base(name)); !strings.Contains(string(index), row) {
			t.Errorf("the index lacks the line %s", row)
		}
		for _, part := range []string{"**Context.**", "**Decision.**", "**Refused.**", "**Consequences.**"} {
			if !strings.Contains(string(page), part) {
				t.Errorf("%s has no %s", name, part)
			}
		}
	}
}
