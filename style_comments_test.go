package qwenvld_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// limit finds the sentence that says what a package must not do: one of its own, about the package, that denies something.
var limit = regexp.MustCompile(`(^|[.:!?]\)?\s+)(It|The package|This package) (must not|must never|does not|is not|never|cannot|may not)\b`)

var sentenceEnd = regexp.MustCompile(`[.:;!?](\s|$)`)

func TestEveryPackageCommentNamesItsTaskAndItsLimits(t *testing.T) {
	for _, p := range listPackages(t) {
		var comments []string
		for _, f := range parsed(t, p) {
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
		if !limit.MatchString(strings.Join(strings.Fields(text), " ")) {
			t.Errorf("%s: the package comment has no sentence like \"It must not ...\" that says what the package must not do", p.ImportPath)
		}
	}
}

func parsed(t *testing.T, p goPackage) []*ast.File {
	t.Helper()
	var out []*ast.File
	for _, name := range p.files() {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

func TestEveryTypeHasAComment(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, f := range parsed(t, p) {
			for _, d := range f.Decls {
				gen, ok := d.(*ast.GenDecl)
				if !ok || gen.Tok != token.TYPE {
					continue
				}
				for _, s := range gen.Specs {
					spec, ok := s.(*ast.TypeSpec)
					if !ok || spec.Doc != nil || spec.Comment != nil || !gen.Lparen.IsValid() && gen.Doc != nil {
						continue
					}
					t.Errorf("%s: the type %s has no comment that says what it is", p.ImportPath, spec.Name.Name)
				}
			}
		}
	}
}

// A comment that is wider than a window is read with the eyes on the way back. Code may be wider: see lll in .golangci.yml.
func TestCommentsAreWrapped(t *testing.T) {
	const columns = 120
	for _, name := range sourceFiles(t) {
		if filepath.Ext(name) != ".go" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			comment := strings.TrimLeft(line, "\t")
			indent := 4 * (len(line) - len(comment))
			if !strings.HasPrefix(comment, "// ") || indent+utf8.RuneCountInString(comment) <= columns {
				continue
			}
			// What has no blank in it, such as an address, cannot be wrapped.
			if words := strings.Fields(comment); len(words) > 2 {
				t.Errorf("%s:%d: the comment is wider than %d columns", name, i+1, columns)
			}
		}
	}
}
