package main

import (
	"go/ast"
	"path/filepath"
	"slices"
)

// graph says which files of a package use names of which others: g[a][b] is whether file a uses a name that file b
// declares.
type graph [][]bool

// references finds the uses between the files of a package: of functions, types, variables, constants, methods and
// fields.
func references(p *pkg) graph {
	index := map[string]int{}
	for i, f := range p.files {
		index[f.name] = i
	}
	g := make(graph, len(p.files))
	for from, f := range p.files {
		g[from] = make([]bool, len(p.files))
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			obj := p.info.Uses[id]
			if obj == nil || obj.Pkg() != p.types || !obj.Pos().IsValid() {
				return true
			}
			if to, ok := index[filepath.Base(p.fset.Position(obj.Pos()).Filename)]; ok && to != from {
				g[from][to] = true
			}
			return true
		})
	}
	return g
}

func (g graph) edges() int {
	n := 0
	for a := range g {
		for b := range g[a] {
			if g[a][b] {
				n++
			}
		}
	}
	return n
}

// upward is how many uses run against the order of the files that has the fewest of them, as far as a local search
// finds it: files are moved to wherever the count falls until none can be moved.
func (g graph) upward() int {
	order := make([]int, len(g))
	for i := range order {
		order[i] = i
	}
	// Files that use much and are used little come first.
	weight := func(i int) int {
		n := 0
		for j := range g {
			if g[i][j] {
				n++
			}
			if g[j][i] {
				n--
			}
		}
		return n
	}
	slices.SortStableFunc(order, func(a, b int) int { return weight(b) - weight(a) })
	for g.improve(order) {
	}
	n := 0
	for i, a := range order {
		for _, b := range order[i+1:] {
			if g[b][a] {
				n++
			}
		}
	}
	return n
}

// improve moves each file to its best place in the order, and reports whether that made the order better.
func (g graph) improve(order []int) bool {
	better := false
	for i := range order {
		best, at := 0, i
		for _, step := range []int{1, -1} {
			change := 0
			for j := i + step; j >= 0 && j < len(order); j += step {
				// Passing over order[j] turns a use in one direction into one in the other.
				a, b := order[i], order[j]
				if step < 0 {
					a, b = b, a
				}
				if g[a][b] {
					change++
				}
				if g[b][a] {
					change--
				}
				if change < best {
					best, at = change, j
				}
			}
		}
		if at != i {
			moved := order[i]
			rest := slices.Delete(slices.Clone(order), i, i+1)
			copy(order, slices.Insert(rest, at, moved))
			better = true
		}
	}
	return better
}
