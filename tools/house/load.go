package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pkg is a package of the module, parsed and type-checked.
type pkg struct {
	listed
	rel   string // its folder inside the module, "." for the root
	fset  *token.FileSet
	files []*file // without tests
	tests []*file
	info  *types.Info // of files
	types *types.Package
}

// file is a source file.
type file struct {
	name   string // without its folder
	syntax *ast.File
	source []byte
}

// listed is what `go list -json` says of a package.
type listed struct {
	Dir, ImportPath, Export            string
	GoFiles, CgoFiles, CompiledGoFiles []string
	TestGoFiles, XTestGoFiles, Imports []string
	Module                             *struct{ Path, Dir string }
	ImportMap                          map[string]string
	Standard, DepOnly                  bool
}

// load lists, parses and type-checks the packages of the module in a folder.
func load(ctx context.Context, folder string) ([]*pkg, error) {
	all, err := list(ctx, folder)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, l := range all {
		exports[l.ImportPath] = l.Export
	}
	var packages []*pkg
	for _, l := range all {
		if l.DepOnly {
			continue
		}
		p := &pkg{listed: l, rel: ".", fset: token.NewFileSet()}
		if l.Module != nil && l.ImportPath != l.Module.Path {
			p.rel = strings.TrimPrefix(l.ImportPath, l.Module.Path+"/")
		}
		if err := p.parse(); err != nil {
			return nil, err
		}
		if err := p.check(exports); err != nil {
			return nil, fmt.Errorf("%s: %w", p.ImportPath, err)
		}
		packages = append(packages, p)
	}
	return packages, nil
}

func list(ctx context.Context, folder string) ([]listed, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-export", "-compiled", "-json", "./...")
	cmd.Dir = folder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w\n%s", folder, err, stderr.String())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var l listed
		switch err := dec.Decode(&l); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, l)
	}
}

func (p *pkg) parse() error {
	read := func(names []string) ([]*file, error) {
		out := make([]*file, 0, len(names))
		for _, name := range names {
			source, err := os.ReadFile(filepath.Join(p.Dir, name)) //nolint:gosec // a source file that go list names
			if err != nil {
				return nil, err
			}
			syntax, err := parser.ParseFile(p.fset, filepath.Join(p.Dir, name), source, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			out = append(out, &file{name, syntax, source})
		}
		return out, nil
	}
	var err error
	if p.files, err = read(append(p.GoFiles, p.CgoFiles...)); err != nil {
		return err
	}
	p.tests, err = read(append(p.TestGoFiles, p.XTestGoFiles...))
	return err
}

// check type-checks the package's own files against the export data of what it imports. Names of C have no types, so
// errors are passed over in a package that uses cgo.
func (p *pkg) check(exports map[string]string) error {
	lookup := func(path string) (io.ReadCloser, error) {
		if mapped, ok := p.ImportMap[path]; ok {
			path = mapped
		}
		name, ok := exports[path]
		if !ok || name == "" {
			return nil, fmt.Errorf("there is no export data of %s", path)
		}
		return os.Open(name) //nolint:gosec // a file of the build cache that go list names
	}
	var firstErr error
	cfg := types.Config{
		Importer:    importer.ForCompiler(p.fset, "gc", lookup),
		FakeImportC: true,
		Error: func(err error) {
			if firstErr == nil && len(p.CgoFiles) == 0 {
				firstErr = err
			}
		},
	}
	p.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	syntax := make([]*ast.File, len(p.files))
	for i, f := range p.files {
		syntax[i] = f.syntax
	}
	p.types, _ = cfg.Check(p.ImportPath, p.fset, syntax, p.info) // the first error is firstErr
	return firstErr
}
