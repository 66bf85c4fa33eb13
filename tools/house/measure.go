package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/scanner"
	"go/token"
	"go/types"
	"io"
	"path"
	"strings"
	"text/tabwriter"
)

const (
	longFile     = 250 // lines
	longFunction = 60  // lines
)

// most is the largest of some numbers, and whose it is.
type most struct {
	n   int
	who string
}

func (m *most) see(n int, who string) {
	if n > m.n {
		*m = most{n, who}
	}
}

// measures are those of a module.
type measures struct {
	packages, files int

	largestPackage, mostMethods, fanOut, fanOutAll most

	longFiles, longFunctions           []string
	codeLines, commentLines, testLines int
	pairs, upward                      int // of the files of one package, below api
	mostPairs                          most
}

func measure(packages []*pkg) *measures {
	m := &measures{}
	for _, p := range packages {
		for _, f := range p.tests {
			code, _ := countLines(f.source)
			m.testLines += code
		}
		if len(p.files) == 0 {
			continue
		}
		m.packages++
		m.files += len(p.files)
		m.measureFiles(p)
		m.measureMethods(p)
		m.measureImports(p)
		if p.rel == "api" || strings.HasPrefix(p.rel, "api/") {
			g := references(p)
			n := g.edges()
			m.pairs += n
			m.upward += g.upward()
			m.mostPairs.see(n, p.rel)
		}
	}
	return m
}

func (m *measures) measureFiles(p *pkg) {
	total := 0
	for _, f := range p.files {
		lines := bytes.Count(f.source, []byte("\n"))
		total += lines
		if lines > longFile {
			m.longFiles = append(m.longFiles, fmt.Sprintf("%s (%d)", path.Join(p.rel, f.name), lines))
		}
		code, comments := countLines(f.source)
		m.codeLines += code
		m.commentLines += comments
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := p.fset.Position(fn.End()).Line - p.fset.Position(fn.Pos()).Line + 1; n > longFunction {
				m.longFunctions = append(m.longFunctions, fmt.Sprintf("%s %s (%d)", path.Join(p.rel, f.name), fn.Name.Name, n))
			}
		}
	}
	m.largestPackage.see(total, p.rel)
}

func (m *measures) measureMethods(p *pkg) {
	for _, name := range p.types.Scope().Names() {
		if t, ok := p.types.Scope().Lookup(name).(*types.TypeName); ok && !t.IsAlias() {
			if named, ok := t.Type().(*types.Named); ok {
				m.mostMethods.see(named.NumMethods(), p.rel+"."+name)
			}
		}
	}
}

func (m *measures) measureImports(p *pkg) {
	own := 0
	for _, i := range p.Imports {
		if strings.HasPrefix(i, p.Module.Path+"/") {
			own++
		}
	}
	m.fanOut.see(own, p.rel)
	m.fanOutAll.see(len(p.Imports), p.rel)
}

// countLines counts the lines with code and the lines that are comments only.
func countLines(source []byte) (code, comments int) {
	fset := token.NewFileSet()
	f := fset.AddFile("", fset.Base(), len(source))
	var s scanner.Scanner
	s.Init(f, source, nil, scanner.ScanComments)
	hasCode, hasComment := map[int]bool{}, map[int]bool{}
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			break
		}
		if tok == token.SEMICOLON && text == "\n" {
			continue
		}
		seen := hasCode
		if tok == token.COMMENT {
			seen = hasComment
		}
		first := f.Line(pos)
		for i := range strings.Count(text, "\n") + 1 {
			seen[first+i] = true
		}
	}
	for line := range hasComment {
		if !hasCode[line] {
			comments++
		}
	}
	return len(hasCode), comments
}

// write prints the measures as a table in Markdown, and then what is long.
func (m *measures) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	row := func(what string, format string, args ...any) {
		fmt.Fprintf(w, "| %s\t| %s\t|\n", what, fmt.Sprintf(format, args...))
	}
	row("measure", "value")
	row("---", "---")
	row("packages", "%d of %d files", m.packages, m.files)
	row("largest package, lines", "%d (%s)", m.largestPackage.n, m.largestPackage.who)
	row("most methods on a type", "%d (%s)", m.mostMethods.n, m.mostMethods.who)
	row(fmt.Sprintf("files over %d lines", longFile), "%d", len(m.longFiles))
	row("most packages of the module imported by one", "%d (%s)", m.fanOut.n, m.fanOut.who)
	row("most packages imported by one", "%d (%s)", m.fanOutAll.n, m.fanOutAll.who)
	row(fmt.Sprintf("functions over %d lines", longFunction), "%d", len(m.longFunctions))
	row("lines of code, comments, tests", "%d, %d, %d", m.codeLines, m.commentLines, m.testLines)
	row("comment ratio", "%.2f", float64(m.commentLines)/float64(max(m.codeLines, 1)))
	row("test ratio", "%.2f", float64(m.testLines)/float64(max(m.codeLines, 1)))
	row("pairs of files in one package of api/... that use each other's names", "%d, most in %s (%d)", m.pairs, m.mostPairs.who, m.mostPairs.n)
	row("of these upwards, in the best order", "%d", m.upward)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		names []string
	}{{"Files over", m.longFiles}, {"Functions over", m.longFunctions}} {
		if len(part.names) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(out, "\n%s the limit:\n\n- %s\n", part.title, strings.Join(part.names, "\n- ")); err != nil {
			return err
		}
	}
	return nil
}
