package sampler

import "math"

// blockTokens is how many tokens are looked at together: those of one word of a mask.
const blockTokens = 64

// row is the logits of all tokens, with one bit for each that may be drawn; a nil mask allows all. NaN and -Inf are
// never drawn.
type row struct {
	logits []float32
	mask   []uint64
}

// blocks is how many blocks the row has.
func (r *row) blocks() int { return (len(r.logits) + blockTokens - 1) / blockTokens }

// block is the logits of a block, and which of its tokens may be drawn.
func (r *row) block(b int) (logits []float32, allowed uint64) {
	first := b * blockTokens
	logits = r.logits[first:min(first+blockTokens, len(r.logits))]
	if r.mask == nil {
		return logits, math.MaxUint64
	}
	return logits, r.mask[b]
}

// highest is the likeliest token, the first of several, and its logit.
func (r *row) highest() (token int32, logit float32, err error) {
	token, logit = -1, float32(math.Inf(-1))
	for b := range r.blocks() {
		logits, allowed := r.block(b)
		if allowed == 0 {
			continue
		}
		for i, v := range logits {
			if v > logit && allowed>>i&1 != 0 {
				token, logit = int32(b*blockTokens+i), v
			}
		}
	}
	if token < 0 || math.IsInf(float64(logit), 1) {
		return 0, 0, ErrNotFinite
	}
	return token, logit, nil
}

// largest appends the n tokens with the highest logits to into, highest first. It keeps a few times as many, and
// whenever there are more, only the n highest.
func (r *row) largest(into []candidate, n int) []candidate {
	n = min(n, len(r.logits))
	room := 2*n + blockTokens
	floor := float32(math.Inf(-1))
	for b := range r.blocks() {
		logits, allowed := r.block(b)
		if allowed == 0 {
			continue
		}
		for i, v := range logits {
			if v > floor && allowed>>i&1 != 0 {
				into = append(into, candidate{int32(b*blockTokens + i), float64(v)})
			}
		}
		// Of equal ones the first are wanted, so that nothing that comes later and equals the least is.
		if len(into) >= room {
			into, floor = highestOf(into, n)
		}
	}
	into, _ = highestOf(into, n)
	sortDescending(into)
	return into
}

// highestOf keeps the n first candidates in any order, and says what the last of them has.
func highestOf(c []candidate, n int) (kept []candidate, least float32) {
	if len(c) < n || n == 0 {
		return c[:min(len(c), n)], float32(math.Inf(-1))
	}
	selectTop(c, n)
	c = c[:n]
	last := c[0]
	for _, other := range c {
		if before(last, other) {
			last = other
		}
	}
	return c, float32(last.weight)
}

// sum is the weight of all tokens of a block.
func (r *row) sum(b int, weigh scale) (total float64) {
	logits, allowed := r.block(b)
	if allowed == 0 {
		return 0
	}
	for i, v := range logits {
		if x := weigh.exponent(v); x > leastExponent && allowed>>i&1 != 0 {
			total += weigh.exp.of(x)
		}
	}
	return total
}

// at is the token of a block where the weights of those up to it exceed u; the last one where rounding leaves none.
func (r *row) at(b int, weigh scale, u float64) (token int32) {
	logits, allowed := r.block(b)
	for i, v := range logits {
		x := weigh.exponent(v)
		if !(x > leastExponent) || allowed>>i&1 == 0 {
			continue
		}
		token = int32(b*blockTokens + i)
		if u -= weigh.exp.of(x); u < 0 {
			break
		}
	}
	return token
}

// from appends the tokens whose exponent is at least so high to into.
func (r *row) from(into []candidate, weigh scale, exponent float64) []candidate {
	for b := range r.blocks() {
		logits, allowed := r.block(b)
		if allowed == 0 {
			continue
		}
		for i, v := range logits {
			if weigh.exponent(v) >= exponent && allowed>>i&1 != 0 {
				into = append(into, candidate{int32(b*blockTokens + i), weigh.of(float64(v))})
			}
		}
	}
	return into
}

// margin is more than rounding makes of an exponent.
const margin = 1e-6

// atLeast appends the tokens of at least some weight to into.
func (r *row) atLeast(into []candidate, weigh scale, weight float64) []candidate {
	return atLeast(r.from(into, weigh, math.Log(weight)-margin), weight)
}

// nucleus appends the likeliest tokens that together reach share of all weights to into, likeliest first. All weights
// are summed up by their size, so that only tokens that may be among the likeliest are told apart.
func (r *row) nucleus(into []candidate, weigh scale, share float64) []candidate {
	const buckets, width = 512, 1. / 8 // of exponents; the last one takes all that are lower
	var sums [buckets]float64
	for b := range r.blocks() {
		logits, allowed := r.block(b)
		for i, v := range logits {
			if x := weigh.exponent(v); x > leastExponent && allowed>>i&1 != 0 {
				sums[min(int(-x/width), buckets-1)] += weigh.exp.of(x)
			}
		}
	}
	total := 0.0
	for _, sum := range sums {
		total += sum
	}
	goal, reached, enough := share*total, 0.0, 0
	for enough < buckets-1 && reached < goal+margin*total {
		reached += sums[enough]
		enough++
	}
	least := -float64(enough)*width - margin
	if enough == buckets-1 {
		least = leastExponent
	}
	return reaching(r.from(into, weigh, least), goal)
}

// reaching keeps the likeliest candidates that together reach goal, at least one. It sorts only as many as needed.
func reaching(picks []candidate, goal float64) []candidate {
	sum, done := 0.0, 0
	for n := blockTokens; done < len(picks); n *= 4 {
		end := min(len(picks), done+n)
		selectTop(picks[done:], end-done)
		sortDescending(picks[done:end])
		for ; done < end; done++ {
			if sum += picks[done].weight; sum >= goal {
				return picks[:done+1]
			}
		}
	}
	return picks
}
