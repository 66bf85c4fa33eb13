// Package qwenvld_test holds the rules of this repository that a compiler does not check: package comments, the direction of
// imports, the C boundary, file sizes. It is not about behaviour; that is tested beside the code.
package qwenvld_test

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
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
	Deps       []string // transitive, without tests
}

// rel is the package's folder inside the module, "." for the root.
func (p goPackage) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func (p goPackage) files() []string { return append(slices.Clone(p.GoFiles), p.CgoFiles...) }

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=Dir,ImportPath,Name,GoFiles,CgoFiles,Deps", "./...")
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

var (
	sentenceEnd = regexp.MustCompile(`[.:;!?](\s|$)`)
	limitWord   = regexp.MustCompile(`(?i)\b(not|no|never|nothing|neither|cannot|none)\b`)
)

func TestEveryPackageCommentNamesItsTaskAndItsLimits(t *testing.T) {
	for _, p := range listPackages(t) {
		var comments []string
		for _, name := range p.files() {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				comments = append(comments, f.Doc.Text())
			}
		}
		if len(comments) != 1 {
			t.Errorf("%s has %d package comments, want one", p.ImportPath, len(comments))
			continue
		}
		text := comments[0]
		if p.Name != "main" && !strings.HasPrefix(text, "Package "+p.Name+" ") {
			t.Errorf("%s: the package comment does not begin with %q", p.ImportPath, "Package "+p.Name)
		}
		if len(sentenceEnd.FindAllString(text, -1)) < 2 {
			t.Errorf("%s: the package comment is shorter than two sentences: say what it is for and what it must not do", p.ImportPath)
		}
		if !limitWord.MatchString(text) {
			t.Errorf("%s: the package comment does not say what the package must not do", p.ImportPath)
		}
	}
}

// importRules forbid dependencies, direct and transitive. An import path is forbidden when it equals an entry of deny or lies
// below it, unless it is the package itself or in allow.
var importRules = []struct {
	packages string // path.Match pattern on the folder
	deny     []string
	allow    []string
	why      string
}{
	{packages: "config", deny: []string{module}, allow: []string{module + "/internal/nearest"}, why: "config is read by everything, so it depends on nothing of the project"},
	{packages: "router", deny: []string{module, "net/http", "log/slog"}, why: "the router is a pure decision"},
	{packages: "router/difficulty", deny: []string{module, "net/http", "log/slog"}, allow: []string{module + "/router"}, why: "the model scores, it decides nothing"},
	{packages: "router/train", deny: []string{module, "net/http", "log/slog"}, allow: []string{module + "/router"}, why: "training knows nothing of the daemon"},
	{packages: "router/probe", deny: []string{module}, allow: []string{module + "/router"}, why: "probing knows a daemon by its HTTP API alone"},
	{packages: "router/curve", deny: []string{module, "net/http"}, why: "a picture is drawn of numbers, whatever they mean"},
	{packages: "multimodal", deny: []string{module}, why: "media and token arithmetic know nothing of models or HTTP handlers"},
	{packages: "engine", deny: []string{module + "/api", module + "/router", module + "/config", module + "/multimodal"}, why: "the engine answers requests, whoever asks"},
	{packages: "engine/gguf", deny: []string{module, "net"}, allow: []string{module + "/engine/tokenizer"}, why: "model files are judged before anything else of the engine runs"},
	{packages: "engine/tokenizer", deny: []string{module, "net"}, why: "text in, tokens out"},
	{packages: "engine/prompt", deny: []string{module}, allow: []string{module + "/engine", module + "/internal/jsontree"}, why: "prompts are text in, pieces out"},
	{packages: "engine/prompt/jinja", deny: []string{module, "net/http", "log/slog"}, allow: []string{module + "/engine/prompt/pyjson", module + "/internal/jsontree"}, why: "templates come from anywhere: what they can reach is seen here at one glance"},
	{packages: "engine/prompt/pyjson", deny: []string{module}, allow: []string{module + "/internal/jsontree"}, why: "a spelling of JSON, whatever it describes"},
	{packages: "engine/constraint", deny: []string{module}, allow: []string{module + "/engine", module + "/internal/jsontree"}, why: "a grammar in, allowed tokens out"},
	{packages: "engine/llama", deny: []string{module}, why: "the C boundary knows nothing of the rest"},
	{packages: "engine/wire", deny: []string{module}, allow: []string{module + "/engine"}, why: "the wire format is shared by both processes"},
	{packages: "engine/worker", deny: []string{module}, allow: []string{module + "/engine", module + "/multimodal", module + "/internal/bytecache", module + "/internal/jsontree", module + "/internal/repetition"}, why: "the worker knows nothing of HTTP clients or routing"},
	{packages: "internal/client", deny: []string{module}, why: "the terminal's client knows a daemon by its HTTP API alone"},
	{packages: "internal/jsontree", deny: []string{module}, why: "JSON is read without knowing what it is for"},
	{packages: "internal/running", deny: []string{module}, why: "where daemons run is noted without knowing them"},
	{packages: "internal/repetition", deny: []string{module}, why: "comparing items needs nothing"},
	{packages: "internal/nearest", deny: []string{module}, why: "comparing names needs nothing"},
	{packages: "api", deny: []string{module + "/config", module + "/cmd"}, why: "cmd turns configuration into the options of api"},
	{packages: "api", deny: []string{"modernc.org", module + "/api/history/sqlite"}, why: "cmd gives api its store, so that its tests need not wait for SQLite to be compiled"},
}

func TestImportsPointOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		for _, rule := range importRules {
			if ok, err := path.Match(rule.packages, p.rel()); err != nil || !ok {
				continue
			}
			seen[rule.packages] = true
			for _, dep := range p.Deps {
				if dep != p.ImportPath && !under(dep, p.ImportPath) && underAny(dep, rule.deny) && !underAny(dep, rule.allow) {
					t.Errorf("%s depends on %s: %s", p.ImportPath, dep, rule.why)
				}
			}
		}
	}
	for _, rule := range importRules {
		if !seen[rule.packages] {
			t.Errorf("no package matches %q", rule.packages)
		}
	}
}

func under(importPath, root string) bool {
	return importPath == root || strings.HasPrefix(importPath, root+"/")
}

func underAny(importPath string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return under(importPath, root) })
}

func TestOnlyTheModelSideReachesC(t *testing.T) {
	linksC := []string{module + "/engine/llama", module + "/engine/worker", module + "/cmd/qwenvld"}
	for _, p := range listPackages(t) {
		if len(p.CgoFiles) > 0 && p.rel() != "engine/llama" {
			t.Errorf("%s imports C; only engine/llama may", p.ImportPath)
		}
		if slices.Contains(linksC, p.ImportPath) {
			continue
		}
		for _, dep := range p.Deps {
			if under(dep, module+"/engine/llama") || under(dep, "github.com/ollama/ollama") {
				t.Errorf("%s depends on %s, so it could not be tested without a C++ build", p.ImportPath, dep)
			}
		}
	}
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
