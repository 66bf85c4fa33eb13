package constraint

import (
	"strconv"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// itemRules are what an array may hold: the rules of its first items and that of the rest, -1 where there may be no
// more.
type itemRules struct {
	first     []int32
	rest      int32
	low, high int // numbers of items; high -1 is no limit
}

func (c *schemaCompiler) itemsOf(schema *jsontree.Value, at string, level int) (r itemRules, err error) { //nolint:cyclop // by keyword
	r.rest = -1
	if r.low, err = c.count(schema, "minItems", at, maxItemCopies); err != nil {
		return r, err
	}
	if r.high, err = c.count(schema, "maxItems", at, maxItemCopies); err != nil {
		return r, err
	}
	if prefix := schema.Get("prefixItems"); prefix != nil {
		for i := range prefix.Items {
			rule, err := c.nested(&prefix.Items[i], step(step(at, "prefixItems"), strconv.Itoa(i)), level)
			if err != nil {
				return r, err
			}
			r.first = append(r.first, rule)
		}
	}
	r.low = max(r.low, len(r.first))
	switch items := schema.Get("items"); {
	case items != nil && items.IsFalse():
		if r.high < 0 || r.high > len(r.first) {
			r.high = len(r.first)
		}
	case items != nil:
		r.rest, err = c.nested(items, step(at, "items"), level)
	case c.strict:
		err = refuse(at, `strict mode needs "items"`)
	default:
		r.rest = c.value()
	}
	if err == nil && r.high >= 0 && r.low > r.high {
		err = c.noteUnlessStrict(at, refuse(at, "no array can have at least %d and at most %d items", r.low, r.high))
		r.high = -1
	}
	return r, err
}

func (c *schemaCompiler) arrayOf(schema *jsontree.Value, at string, level int, start, end int32) error {
	r, err := c.itemsOf(schema, at, level)
	if err != nil {
		return err
	}
	before, done := c.text(start, "["), c.add()
	c.join(c.text(done, "]"), end)
	for i := 0; !c.tooLarge; i++ {
		if i >= r.low {
			c.join(before, done)
		}
		if i == r.high {
			return nil
		}
		rule := r.rest
		if i < len(r.first) {
			rule = r.first[i]
		}
		item := before
		if i > 0 {
			item = c.call(c.text(before, ","), c.gap())
		}
		after := c.call(item, rule)
		if r.high < 0 && i >= max(r.low, 1) {
			c.join(after, before) // from here on any number more
			break
		}
		before = after
	}
	return c.err()
}
