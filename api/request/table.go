package request

import (
	"maps"
	"slices"

	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// Reader reads the member at path of a body into what a decoder fills.
type Reader[D any] func(d D, v *jsonbody.Value, path string)

// Table names the members of a body that a decoder reads.
type Table[D any] map[string]Reader[D]

// Decoder is what reads a body: a surface's own, with a Builder in it, or the Builder itself.
type Decoder interface{ Shared() *Builder }

// Shared is a table of common members as decoders of type D read them; with names, of these alone.
func Shared[D Decoder](common Table[*Builder], names ...string) Table[D] {
	out := make(Table[D], len(common))
	for name, read := range common {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		out[name] = func(d D, v *jsonbody.Value, path string) { read(d.Shared(), v, path) }
	}
	return out
}

// Common are the members that chat completions and its kin understand, all tables together.
func Common() Table[*Builder] {
	out := Table[*Builder]{}
	for _, table := range []Table[*Builder]{CoreTable(), SamplingTable(), ThinkingTable(), VisibilityTable(), ToolTable(), RefusedTable()} {
		maps.Copy(out, table)
	}
	return out
}

// With is the table with another's members, which replace its own of the same name.
func (t Table[D]) With(other Table[D]) Table[D] {
	out := maps.Clone(t)
	maps.Copy(out, other)
	return out
}

// Read reads the members of a whole body by a table. elsewhere names members that somebody else reads. Every surface
// comes through here, so that they agree on what is unknown.
func Read[D Decoder](d D, body *jsonbody.Value, table Table[D], elsewhere ...string) {
	b := d.Shared()
	for i := range body.Members {
		m := &body.Members[i]
		read := table[m.Key]
		switch {
		case m.Value.Kind == jsonbody.Null: // clients send null for "not given"
		case read != nil:
			read(d, &m.Value, m.Key)
		case slices.Contains(elsewhere, m.Key), b.policy.Unknown.pass(m.Key, false):
		default:
			known := slices.Sorted(maps.Keys(table))
			b.failUnknown(jsonbody.Abbreviate(m.Key), m.Key, append(known, elsewhere...))
		}
		if !b.OK() {
			return
		}
	}
}
