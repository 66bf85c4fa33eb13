// Package constraint says which tokens may come next in an answer that is constrained: by a JSON Schema, to any JSON,
// by a regular expression, to one of several texts, or to a mix of fixed text and these. It works on bytes, so a token
// that spans several parts of a constraint is judged right.
//
// A constraint is compiled to a Grammar. A Vocabulary holds the bytes of a model's tokens. An Automaton joins both and
// gives the set of allowed tokens for each State; all answers with one constraint share it. A Matcher follows one
// answer.
//
// The package must not know sampling, prompts or llama.cpp.
package constraint

import (
	"fmt"
	"strings"
)

// Grammar is a set of rules, each a network of nodes with edges on bytes and calls of other rules; recursion is
// allowed. Compile makes one of a request's constraint; Schema, JSON, Regex, Choice, Literal and Sequence make its
// parts.
type Grammar struct {
	nodes []node
	start int32
	// Dropped are the places of a schema (RFC 6901) that are not enforced.
	Dropped []string
}

// Size is what the grammar takes, in nodes, at most MaxSize.
func (g *Grammar) Size() int { return len(g.nodes) }

// MaxSize bounds a grammar, in nodes.
const MaxSize = maxNodes

// node is a state of a rule's automaton, with what leads on from it.
type node struct {
	bytes []byteEdge
	empty []int32 // targets reached without a byte
	calls []call
	final bool // the end of its rule
}

// byteEdge leads to a node by any byte from low to high.
type byteEdge struct {
	low, high byte
	to        int32
}

// call goes through a rule and on at the node then.
type call struct{ rule, then int32 }

// maxNodes bounds a grammar: that of a schema of a few hundred kilobytes stays below.
const maxNodes = 200_000

// nodeBytes is what a node takes with its edges, about.
const nodeBytes = 128

// TooLargeError says that a constraint needs a larger grammar than is allowed.
type TooLargeError struct{ Nodes int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the form needs more than %d grammar nodes", e.Nodes)
}

// builder adds nodes to a network. Most of its methods take the node to start from or the node to lead on to, and
// return the other one.
type builder struct {
	nodes    []node
	tooLarge bool // a node was refused, so the network is of no use
}

func (b *builder) add() int32 {
	if len(b.nodes) >= maxNodes {
		b.tooLarge = true
		return int32(len(b.nodes) - 1)
	}
	b.nodes = append(b.nodes, node{})
	return int32(len(b.nodes) - 1)
}

func (b *builder) err() error {
	if b.tooLarge {
		return &TooLargeError{maxNodes}
	}
	return nil
}

func (b *builder) join(from, to int32) { b.nodes[from].empty = append(b.nodes[from].empty, to) }

func (b *builder) edge(from int32, low, high byte, to int32) {
	b.nodes[from].bytes = append(b.nodes[from].bytes, byteEdge{low, high, to})
}

// text adds a chain of the bytes of s and returns its end.
func (b *builder) text(from int32, s string) int32 {
	for i := range len(s) {
		next := b.add()
		b.edge(from, s[i], s[i], next)
		from = next
	}
	return from
}

// call adds a call of a rule and returns where it returns to.
func (b *builder) call(from, rule int32) int32 {
	then := b.add()
	b.nodes[from].calls = append(b.nodes[from].calls, call{rule, then})
	return then
}

// runes adds edges for the runes low..high in UTF-8, leading to `to`.
func (b *builder) runes(from int32, low, high rune, to int32) {
	for _, seq := range utf8Ranges(low, high) {
		at := from
		for i, r := range seq {
			next := to
			if i < len(seq)-1 {
				next = b.add()
			}
			b.edge(at, r.low, r.high, next)
			at = next
		}
	}
}

// finish makes the grammar that begins at start; end is where it is complete.
func (b *builder) finish(start, end int32) (*Grammar, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	b.nodes[end].final = true
	return &Grammar{nodes: b.nodes, start: start}, nil
}

// Literal is exactly this text.
func Literal(s string) *Grammar {
	var b builder
	start := b.add()
	end := b.text(start, s)
	g, err := b.finish(start, end)
	if err != nil {
		panic(err) // callers give short texts of their own; see Choice for those of users
	}
	return g
}

// Choice is exactly one of the texts.
func Choice(texts []string) (*Grammar, error) {
	var b builder
	start, end := b.add(), b.add()
	for _, s := range texts {
		b.join(b.text(start, s), end)
	}
	return b.finish(start, end)
}

// Without is any text in which s does not occur.
func Without(s string) (*Grammar, error) {
	// Node i means that the last i bytes are the first i of s (Knuth, Morris, Pratt).
	var b builder
	nodes := make([]int32, len(s))
	for i := range nodes {
		nodes[i] = b.add()
	}
	end := b.add()
	for i, from := range nodes {
		b.join(from, end)
		for c := range 256 {
			seen := s[:i] + string([]byte{byte(c)})
			most := min(len(seen), len(s))
			for !strings.HasSuffix(seen, s[:most]) {
				most--
			}
			if most < len(s) {
				b.edge(from, byte(c), byte(c), nodes[most])
			}
		}
	}
	return b.finish(nodes[0], end)
}

// rule copies g as a rule of its own, which may be called from several places, and returns its start.
func (b *builder) rule(g *Grammar) int32 {
	shift := int32(len(b.nodes))
	if len(b.nodes)+len(g.nodes) > maxNodes {
		b.tooLarge = true
		return 0
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		c := node{final: n.final}
		for _, e := range n.bytes {
			c.bytes = append(c.bytes, byteEdge{e.low, e.high, e.to + shift})
		}
		for _, e := range n.empty {
			c.empty = append(c.empty, e+shift)
		}
		for _, e := range n.calls {
			c.calls = append(c.calls, call{e.rule + shift, e.then + shift})
		}
		b.nodes = append(b.nodes, c)
	}
	return g.start + shift
}

// embed copies g's nodes and returns its start; each of its ends then leads on to `to`.
func (b *builder) embed(g *Grammar, to int32) int32 {
	shift := int32(len(b.nodes))
	start := b.rule(g)
	if b.tooLarge {
		return to
	}
	for _, e := range g.ends() {
		b.nodes[e+shift].final = false
		b.join(e+shift, to)
	}
	return start
}

// ends are the final nodes of the outermost rule: those reached from the start without entering a rule.
func (g *Grammar) ends() []int32 {
	var out []int32
	seen := make([]bool, len(g.nodes))
	todo := []int32{g.start}
	seen[g.start] = true
	visit := func(n int32) {
		if !seen[n] {
			seen[n] = true
			todo = append(todo, n)
		}
	}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n := &g.nodes[at]
		if n.final {
			out = append(out, at)
		}
		for _, e := range n.bytes {
			visit(e.to)
		}
		for _, e := range n.empty {
			visit(e)
		}
		for _, e := range n.calls {
			visit(e.then)
		}
	}
	return out
}

// Sequence is one grammar after the other.
func Sequence(parts ...*Grammar) (*Grammar, error) {
	var b builder
	end := b.add()
	at := end
	for i := len(parts) - 1; i >= 0; i-- {
		at = b.embed(parts[i], at)
	}
	return b.finish(at, end)
}

// Either is one of the grammars.
func Either(parts ...*Grammar) (*Grammar, error) {
	var b builder
	start, end := b.add(), b.add()
	for _, p := range parts {
		b.join(start, b.embed(p, end))
	}
	return b.finish(start, end)
}

// Repeat is part at least low times; high < 0 sets no limit. Between two of them stands the separator. However often
// part may come, its nodes are there once.
func Repeat(part, separator *Grammar, low, high int) (*Grammar, error) {
	var b builder
	start, end := b.add(), b.add()
	once := b.rule(part)
	if low == 0 {
		b.join(start, end)
	}
	at := start
	for i := 0; high < 0 && i <= max(low, 1) || i < high; i++ {
		after := b.add()
		b.nodes[at].calls = append(b.nodes[at].calls, call{once, after})
		if i+1 >= low {
			b.join(after, end)
		}
		if i+1 == high {
			break // a separator here would lead nowhere
		}
		next := b.add()
		b.join(after, b.embed(separator, next))
		if high < 0 && i == max(low, 1) {
			b.join(next, at)
		}
		at = next
		if b.tooLarge {
			break
		}
	}
	return b.finish(start, end)
}
