package constraint

import (
	"math/big"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// maxDigits bounds the whole part and the fraction of a number.
const maxDigits = 18

// maxMultiple bounds multipleOf: as many nodes keep the remainder of what has been read.
const maxMultiple = 1000

// bounds of a number; nil is none. Both are included.
type bounds struct{ low, high *big.Rat }

func (c *schemaCompiler) numberOf(schema *jsontree.Value, name, at string, start, end int32) error {
	b, err := boundsOf(schema, name, at)
	if err != nil {
		return err
	}
	free := b.low == nil && b.high == nil
	if multiple := schema.Get("multipleOf"); multiple != nil {
		n, err := countOf(multiple, step(at, "multipleOf"), maxMultiple)
		if err != nil || n < 1 {
			return refuse(step(at, "multipleOf"), "must be a whole number from 1 to %d", maxMultiple)
		}
		if !free {
			return refuse(step(at, "multipleOf"), "cannot be enforced beside bounds")
		}
		c.multiple(n, start, end)
		return c.err()
	}
	rule, digits := c.number(), maxDigits
	if name == "integer" {
		rule, digits = c.integer(), 0
	}
	if free {
		c.join(c.call(start, rule), end)
		return nil
	}
	if !c.bounded(b, digits, start, end) {
		return refuse(at, "no number lies within the bounds")
	}
	return c.err()
}

func boundsOf(schema *jsontree.Value, name, at string) (bounds, error) {
	// The smallest step that can be written, by which an excluded bound moves inward.
	unit := big.NewRat(1, 1)
	if name == "number" {
		unit.SetFrac(big.NewInt(1), power(maxDigits))
	}
	var b bounds
	for _, k := range []struct {
		name      string
		low, open bool
	}{{"minimum", true, false}, {"maximum", false, false}, {"exclusiveMinimum", true, true}, {"exclusiveMaximum", false, true}} {
		v := schema.Get(k.name)
		if v == nil {
			continue
		}
		r, err := rational(v, step(at, k.name))
		if err != nil {
			return b, err
		}
		if k.open {
			r = inward(r, unit, k.low)
		}
		if k.low && (b.low == nil || r.Cmp(b.low) > 0) {
			b.low = r
		}
		if !k.low && (b.high == nil || r.Cmp(b.high) < 0) {
			b.high = r
		}
	}
	return b, nil
}

// power is ten to the n.
func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func rational(v *jsontree.Value, at string) (*big.Rat, error) {
	if v.Kind != jsontree.Number || len(v.Raw) > 2*maxDigits {
		return nil, refuse(at, "must be a number of at most %d digits", maxDigits)
	}
	r, ok := new(big.Rat).SetString(string(v.Raw))
	most := new(big.Rat).SetInt(power(maxDigits))
	if !ok || new(big.Rat).Abs(r).Cmp(most) >= 0 {
		return nil, refuse(at, "must be a number of at most %d digits", maxDigits)
	}
	return r, nil
}

// inward is the multiple of unit nearest to r and strictly above it (up) or below it.
func inward(r, unit *big.Rat, up bool) *big.Rat {
	q := new(big.Rat).Quo(r, unit)
	n := floor(q)
	if up {
		n.Add(n, big.NewInt(1))
	} else if q.IsInt() {
		n.Sub(n, big.NewInt(1))
	}
	return new(big.Rat).Mul(new(big.Rat).SetInt(n), unit)
}

func floor(r *big.Rat) *big.Int {
	return new(big.Int).Div(r.Num(), r.Denom()) // Euclidean, and denominators are positive
}

// bounded adds the decimals within the bounds, with at most `digits` digits after the point. It reports whether there
// are any.
func (c *schemaCompiler) bounded(b bounds, digits int, start, end int32) bool {
	zero := new(big.Rat)
	found := false
	if b.high == nil || b.high.Sign() >= 0 {
		low := zero
		if b.low != nil && b.low.Sign() > 0 {
			low = b.low
		}
		found = c.magnitude(low, b.high, digits, start, end)
	}
	if b.low == nil || b.low.Sign() < 0 {
		// The size of negative numbers: from -high to -low, zero left out.
		unit := new(big.Rat).SetFrac(big.NewInt(1), power(digits))
		low := unit
		if b.high != nil && b.high.Sign() < 0 {
			low = new(big.Rat).Neg(b.high)
		}
		var high *big.Rat
		if b.low != nil {
			high = new(big.Rat).Neg(b.low)
		}
		minus := c.add()
		if c.magnitude(low, high, digits, minus, end) {
			c.edge(start, '-', '-', minus)
			found = true
		}
	}
	return found
}

// magnitude adds the decimals in [low, high], low >= 0, high nil for no bound, and reports whether there are any.
// Bounds are scaled to whole numbers of the last digit, so that comparing is comparing strings of digits.
func (c *schemaCompiler) magnitude(low, high *big.Rat, digits int, start, end int32) bool {
	scale := new(big.Rat).SetInt(power(digits))
	least := floor(new(big.Rat).Mul(low, scale))
	if !new(big.Rat).Mul(low, scale).IsInt() {
		least.Add(least, big.NewInt(1))
	}
	most := new(big.Int).Sub(power(maxDigits+digits), big.NewInt(1))
	if high != nil {
		most = floor(new(big.Rat).Mul(high, scale))
	}
	if least.Cmp(most) > 0 {
		return false
	}
	for length := 1; length <= maxDigits; length++ {
		// Numbers whose whole part has `length` digits, as length+digits digits in all.
		first := new(big.Int)
		if length > 1 {
			first = power(length - 1 + digits)
		}
		last := new(big.Int).Sub(power(length+digits), big.NewInt(1))
		a, z := maxInt(least, first), minInt(most, last)
		if a.Cmp(z) > 0 {
			continue
		}
		n := length + digits
		d := &digitRange{c: c, whole: length, end: end, low: padded(a, n), high: padded(z, n), made: map[digitPlace]int32{}}
		c.join(start, d.place(digitPlace{0, true, true}))
		if c.tooLarge {
			return true
		}
	}
	return true
}

func maxInt(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

func minInt(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func padded(n *big.Int, length int) string {
	s := n.String()
	for len(s) < length {
		s = "0" + s
	}
	return s
}

// digitPlace is how many digits have been read and whether they equal those of the lower and upper bound so far.
type digitPlace struct {
	read      int
	low, high bool
}

// digitRange is the decimals between two strings of digits of one length, with the point after `whole` of them.
type digitRange struct {
	c         *schemaCompiler
	whole     int
	low, high string
	end       int32
	made      map[digitPlace]int32
}

// place is the node from which the rest of the digits is read.
func (d *digitRange) place(p digitPlace) int32 {
	if n, ok := d.made[p]; ok {
		return n
	}
	n := d.c.add()
	d.made[p] = n
	if d.c.tooLarge {
		return n
	}
	if p.read >= d.whole && d.mayEnd(p) {
		d.c.join(n, d.end)
	}
	if p.read == len(d.low) {
		return n
	}
	from := n
	if p.read == d.whole {
		from = d.c.text(n, ".")
	}
	for digit := byte('0'); digit <= '9'; digit++ {
		if p.low && digit < d.low[p.read] || p.high && digit > d.high[p.read] {
			continue
		}
		next := digitPlace{p.read + 1, p.low && digit == d.low[p.read], p.high && digit == d.high[p.read]}
		d.c.edge(from, digit, digit, d.place(next))
	}
	return n
}

// mayEnd reports whether the number may stop here, the digits left out being zeros: not if the lower bound still asks
// for more.
func (d *digitRange) mayEnd(p digitPlace) bool {
	if !p.low {
		return true
	}
	for _, digit := range d.low[p.read:] {
		if digit != '0' {
			return false
		}
	}
	return true
}

// multiple adds the integers that n divides, of at most maxDigits digits, keeping the remainder.
func (c *schemaCompiler) multiple(n int, start, end int32) {
	if rule, ok := c.multiples[n]; ok {
		c.join(c.call(start, rule), end)
		return
	}
	rule, shut := c.add(), c.add()
	c.nodes[shut].final = true
	if c.multiples == nil {
		c.multiples = map[int]int32{}
	}
	c.multiples[n] = rule
	c.join(c.call(start, rule), end)
	c.join(c.text(rule, "0"), shut)
	sign := c.text(rule, "-")
	reachable := multiples(n)
	// after holds the node of each remainder once so many digits have been read.
	var after map[int]int32
	for digits := 1; digits <= maxDigits && !c.tooLarge; digits++ {
		next := map[int]int32{}
		read := func(from int32, remainder, least int) {
			for digit := least; digit < 10; digit++ {
				r := (remainder*10 + digit) % n
				if !reachable[digits][r] {
					continue
				}
				if _, ok := next[r]; !ok {
					next[r] = c.add()
				}
				c.edge(from, byte('0'+digit), byte('0'+digit), next[r])
			}
		}
		if digits == 1 {
			read(rule, 0, 1)
			read(sign, 0, 1)
		}
		for r := range n {
			if from, ok := after[r]; ok {
				read(from, r, 0)
			}
		}
		if whole, ok := next[0]; ok {
			c.join(whole, shut)
		}
		after = next
	}
}

// multiples tells, by how many digits have been read and their remainder, whether the digits that are left can still
// make a multiple of n of them.
func multiples(n int) [maxDigits + 1][]bool {
	var reachable [maxDigits + 1][]bool
	var more []bool // what is reachable with one digit more, nil where none may follow
	for read := maxDigits; read > 0; read-- {
		reachable[read] = make([]bool, n)
		for r := range n {
			reachable[read][r] = r == 0
			for digit := 0; digit < 10 && more != nil; digit++ {
				reachable[read][r] = reachable[read][r] || more[(r*10+digit)%n]
			}
		}
		more = reachable[read]
	}
	return reachable
}
