package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the repository.
const root = "../.."

func TestWhoImplementsForOthersSaysSo(t *testing.T) {
	packages, err := load(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range missingGuards(packages) {
		t.Errorf("there is no guard line for an interface of another package: %s", m)
	}
}

// module writes a module of some files and loads it.
func module(t *testing.T, files map[string]string) []*pkg {
	t.Helper()
	folder := t.TempDir()
	files["go.mod"] = "module example.org/m\n\ngo 1.26\n"
	for name, text := range files {
		name = filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	packages, err := load(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func TestGuardsAreFound(t *testing.T) {
	const contract = "package a\n\n// I is a contract.\ntype I interface{ Do() }\n"
	for name, c := range map[string]struct {
		implementer string
		want        []string
	}{
		"none":              {"type T struct{}\n\nfunc (*T) Do() {}\n\nvar _ = a.I.Do\n", []string{"b: var _ a.I = (*T)(nil)"}},
		"a pointer":         {"type T struct{}\n\nfunc (*T) Do() {}\n\nvar _ a.I = (*T)(nil)\n", nil},
		"a value":           {"type T struct{}\n\nfunc (T) Do() {}\n\nvar _ a.I = T{}\n", nil},
		"another's":         {"type T struct{}\n\ntype U struct{}\n\nfunc (T) Do() {}\n\nfunc (U) Do() {}\n\nvar _ a.I = U{}\n", []string{"b: var _ a.I = (*T)(nil)"}},
		"nothing to do":     {"type T struct{}\n\nvar _ = a.I.Do\n", nil},
		"an interface":      {"type T interface{ Do() }\n\nvar _ = a.I.Do\n", nil},
		"by what it embeds": {"type T struct{ a.I }\n", nil},
		"by a part":         {"type J interface {\n\ta.I\n\tMore()\n}\n\ntype T struct{}\n\nfunc (*T) Do() {}\n\nfunc (*T) More() {}\n\nvar _ J = (*T)(nil)\n", nil},
	} {
		packages := module(t, map[string]string{"a/a.go": contract, "b/b.go": "package b\n\nimport \"example.org/m/a\"\n\n" + c.implementer})
		if got := missingGuards(packages); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatIsMeasured(t *testing.T) {
	long := "// Long does much.\nfunc Long() {\n" + strings.Repeat("\tSmall()\n", 59) + "}\n"
	packages := module(t, map[string]string{
		"api/one.go":      "package api\n\nimport \"example.org/m/x\"\n\n// T is a type.\ntype T struct{ x int }\n\nfunc (t *T) One() { t.Two(); x.X() }\n",
		"api/two.go":      "package api\n\n/* Two goes\non. */\nfunc (t *T) Two() { t.x++ }\n",
		"api/one_test.go": "package api\n\nimport \"testing\"\n\nfunc TestNothing(t *testing.T) {\n}\n",
		"x/x.go":          "package x\n\n// Small does little.\nfunc Small() {} // nor more\n\nfunc X() { Long() }\n\n" + long,
	})
	m := measure(packages)
	if m.packages != 2 || m.files != 3 || m.largestPackage != (most{69, "x"}) || m.mostMethods != (most{2, "api.T"}) || m.fanOut != (most{1, "api"}) {
		t.Errorf("%+v", m)
	}
	if len(m.longFunctions) != 1 || m.longFunctions[0] != "x/x.go Long (61)" || len(m.longFiles) != 0 {
		t.Errorf("long: %q, %q", m.longFunctions, m.longFiles)
	}
	// package, import, type, One; package, Two; package, Small, X, Long with its 61 lines
	if m.codeLines != 4+2+3+61 || m.commentLines != 1+2+2 || m.testLines != 4 {
		t.Errorf("%d lines of code, %d of comments, %d of tests", m.codeLines, m.commentLines, m.testLines)
	}
	// one.go uses Two of two.go, which uses T of one.go.
	if m.pairs != 2 || m.upward != 1 {
		t.Errorf("%d pairs, %d upwards", m.pairs, m.upward)
	}
	var out bytes.Buffer
	if err := m.write(&out); err != nil || !strings.Contains(out.String(), "- x/x.go Long (61)\n") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestUsesAgainstTheBestOrder(t *testing.T) {
	edges := func(n int, pairs ...[2]int) graph {
		g := make(graph, n)
		for i := range g {
			g[i] = make([]bool, n)
		}
		for _, p := range pairs {
			g[p[0]][p[1]] = true
		}
		return g
	}
	for name, c := range map[string]struct {
		g    graph
		want int
	}{
		"a chain, backwards":         {edges(4, [2]int{3, 2}, [2]int{2, 1}, [2]int{1, 0}), 0},
		"a circle":                   {edges(3, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 0}), 1},
		"two that use each other":    {edges(2, [2]int{0, 1}, [2]int{1, 0}), 1},
		"two circles with a file in": {edges(5, [2]int{0, 1}, [2]int{1, 0}, [2]int{1, 2}, [2]int{2, 3}, [2]int{3, 4}, [2]int{4, 2}), 2},
	} {
		if got := c.g.upward(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	if err := run(t.Context(), []string{"a", "b"}, &bytes.Buffer{}); err == nil {
		t.Error("two folders are measured")
	}
	if err := run(t.Context(), []string{t.TempDir()}, &bytes.Buffer{}); err == nil {
		t.Error("a folder without a module is measured")
	}
}
