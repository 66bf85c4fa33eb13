package main

import (
	"fmt"
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// missingGuards lists the types that implement an interface of another package of the module, one which their own
// package imports, without a line that has the compiler check it: var _ other.Interface = (*Type)(nil). Types that have
// all of its methods from what they embed are passed over, and so are interfaces that are part of one with a guard.
func missingGuards(packages []*pkg) []string {
	var out []string
	for _, p := range packages {
		guards := p.guards()
		for _, t := range p.concrete() {
			for _, i := range p.foreignInterfaces() {
				if !types.Implements(t.Type(), underlying(i)) && !types.Implements(types.NewPointer(t.Type()), underlying(i)) {
					continue
				}
				guarded := slices.ContainsFunc(guards, func(g guard) bool {
					return g.implementer == t && (g.contract == i || types.Implements(g.contract.Type(), underlying(i)))
				})
				if !guarded && declaresOneOf(t, underlying(i)) {
					out = append(out, fmt.Sprintf("%s: var _ %s.%s = (*%s)(nil)", p.rel, i.Pkg().Name(), i.Name(), t.Name()))
				}
			}
		}
	}
	return out
}

// declaresOneOf reports whether a type has one of an interface's methods itself and not from what it embeds.
func declaresOneOf(t types.Object, i *types.Interface) bool {
	named := t.Type().(*types.Named)
	for own := range named.Methods() {
		for wanted := range i.Methods() {
			if own.Name() == wanted.Name() {
				return true
			}
		}
	}
	return false
}

// guard is a line that has the compiler check that a type implements an interface.
type guard struct{ implementer, contract types.Object }

// guards finds the package's guards.
func (p *pkg) guards() []guard {
	var out []guard
	for _, f := range p.files {
		for _, d := range f.syntax.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range gen.Specs {
				spec, ok := s.(*ast.ValueSpec)
				if !ok || len(spec.Names) != 1 || spec.Names[0].Name != "_" || spec.Type == nil || len(spec.Values) != 1 {
					continue
				}
				contract, isNamed := p.info.TypeOf(spec.Type).(*types.Named)
				value := p.info.TypeOf(spec.Values[0])
				if pointer, ok := value.(*types.Pointer); ok {
					value = pointer.Elem()
				}
				if implementer, ok := value.(*types.Named); ok && isNamed {
					out = append(out, guard{implementer.Obj(), contract.Obj()})
				}
			}
		}
	}
	return out
}

// concrete lists the package's types that are neither interfaces nor generic.
func (p *pkg) concrete() []types.Object {
	var out []types.Object
	for _, name := range p.types.Scope().Names() {
		t, ok := p.types.Scope().Lookup(name).(*types.TypeName)
		if !ok || t.IsAlias() || types.IsInterface(t.Type()) {
			continue
		}
		if named, ok := t.Type().(*types.Named); ok && named.TypeParams().Len() == 0 {
			out = append(out, t)
		}
	}
	return out
}

// foreignInterfaces lists the exported interfaces with methods that the packages of the module declare which p imports.
func (p *pkg) foreignInterfaces() []types.Object {
	var out []types.Object
	for _, q := range p.types.Imports() {
		if p.Module == nil || !strings.HasPrefix(q.Path(), p.Module.Path+"/") {
			continue
		}
		for _, name := range q.Scope().Names() {
			t, ok := q.Scope().Lookup(name).(*types.TypeName)
			if ok && t.Exported() && !t.IsAlias() && types.IsInterface(t.Type()) && underlying(t).NumMethods() > 0 {
				out = append(out, t)
			}
		}
	}
	return out
}

func underlying(t types.Object) *types.Interface { return t.Type().Underlying().(*types.Interface) }
