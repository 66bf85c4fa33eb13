// Package speculation guesses how an answer goes on, so that several of its tokens are computed in one step: what it
// copies from the prompt, from a prediction that came with the request, or from itself. Lookup finds the guesses and
// learns how often they hold, Controller says how many of them are worth their rows.
//
// It is pure: it is told tokens and durations. It must not decide what an answer says. A guess is checked by drawing
// the token as if there had been none, and one that fails costs time and nothing else.
package speculation

import (
	"math"
	"slices"
)

const (
	// order is how many tokens must be the same for a place to be found. Fewer are the same everywhere.
	order = 3
	// places is how many earlier places of the same tokens are compared, the newest first.
	places = 24
	// longest is up to how many tokens in a row are compared.
	longest = 48
	// barrier stands between texts that do not follow each other. No token has this number.
	barrier = -1
)

// Lookup finds the place that an answer goes on from, among all tokens before. One goroutine uses it.
type Lookup struct {
	tokens []int32
	// prediction is how many of the tokens, from the first on, are the prediction.
	prediction int
	// For each place the one before it that the same tokens lead to, as far as the table tells them apart, and for each
	// entry of the table the newest such place.
	earlier, newest []int32

	// at is where the token stands that is expected next, none where there is no such place. Of the tokens before it,
	// so many are the same as the last of the answer.
	at, same int
	// followed is the place where the answer was expected to go on when there was one last.
	followed int
	odds     odds
	draft    []int32
	chances  []float64
}

const none = -1

// New returns a Lookup for an answer to a prompt, whose parts are its runs of text. The answer is expected to begin
// with the prediction, where there is one.
func New(prediction []int32, prompt ...[]int32) *Lookup {
	n := len(prediction) + len(prompt) + 1
	for _, part := range prompt {
		n += len(part)
	}
	size := 1 << 10
	for size < n {
		size *= 2
	}
	l := &Lookup{tokens: make([]int32, 0, n), earlier: make([]int32, 0, n), newest: make([]int32, size)}
	l.at, l.followed = none, math.MaxInt
	for i := range l.newest {
		l.newest[i] = none
	}
	for _, t := range prediction {
		l.append(t)
	}
	l.prediction = len(prediction)
	for _, part := range prompt {
		l.append(barrier)
		for _, t := range part {
			l.append(t)
		}
	}
	if len(prediction) > 0 {
		l.at, l.same = 0, longest // whoever sends a prediction is sure of it
	} else {
		l.find()
	}
	return l
}

// Add takes note of the next token of the answer.
func (l *Lookup) Add(token int32) {
	held := false
	if l.at != none {
		held = l.tokens[l.at] == token
		l.odds.saw(l.same, held)
	}
	if l.append(token); l.at != none {
		l.followed = l.at + 1
	}
	if held && l.tokens[l.at+1] != barrier {
		l.at, l.same = l.at+1, min(l.same+1, longest)
		return
	}
	l.find()
}

// append adds a token, and the place behind it to those that are found.
func (l *Lookup) append(token int32) {
	l.tokens = append(l.tokens, token)
	l.earlier = append(l.earlier, none)
	if entry, ok := l.entry(); ok {
		last := len(l.tokens) - 1
		l.earlier[last], l.newest[entry] = l.newest[entry], int32(last)
	}
}

// entry is that of the table for the last tokens.
func (l *Lookup) entry() (entry int, ok bool) {
	if len(l.tokens) < order {
		return 0, false
	}
	const mix = 0x9e3779b97f4a7c15
	var h uint64
	for _, t := range l.tokens[len(l.tokens)-order:] {
		if t == barrier {
			return 0, false
		}
		h = (h ^ uint64(uint32(t))) * mix
		h ^= h >> 29
	}
	return int(h % uint64(len(l.newest))), true
}

// find looks for the place whose tokens before it agree with the last ones of the answer for longest. Of several it is
// the first that lies behind where the answer was, since who copies goes on in order, and else the newest.
func (l *Lookup) find() {
	l.at, l.same = none, 0
	last := len(l.tokens) - 1
	if last < 0 {
		return
	}
	place := l.earlier[last]
	for range places {
		if place == none {
			return
		}
		if n, at := l.alike(int(place)), int(place)+1; n >= order && l.tokens[at] != barrier {
			if n > l.same || n == l.same && at >= l.followed {
				l.at, l.same = at, n
			}
		}
		place = l.earlier[place]
	}
}

// alike is how many tokens up to a place are the same as the last ones.
func (l *Lookup) alike(place int) (n int) {
	last := len(l.tokens) - 1
	for n < longest && place-n >= 0 && l.tokens[place-n] == l.tokens[last-n] && l.tokens[last-n] != barrier {
		n++
	}
	return n
}

// Draft is at most so many tokens that are expected next, and how likely each of them is to be right together with
// those before it. Both are valid until the next call.
func (l *Lookup) Draft(most int) (tokens []int32, chances []float64) {
	l.draft, l.chances = l.draft[:0], l.chances[:0]
	if l.at == none {
		return nil, nil
	}
	chance := 1.0
	for i := range most {
		var t int32
		if at := l.at + i; at < len(l.tokens) {
			t = l.tokens[at]
		} else {
			t = l.draft[at-len(l.tokens)] // what repeats itself goes on so
		}
		if t == barrier {
			break
		}
		chance *= l.odds.of(min(l.same+i, longest))
		l.draft, l.chances = append(l.draft, t), append(l.chances, chance)
	}
	return l.draft, l.chances
}

// Predicted reports how many of the next so many expected tokens are the prediction's.
func (l *Lookup) Predicted(n int) int {
	if l.at == none {
		return 0
	}
	return max(0, min(n, l.prediction-l.at))
}

// odds are how often expectations held, by how many tokens in a row had been the same before.
type odds struct {
	held, seen [len(classes)]float64
}

// classes are the least numbers of tokens in a row of each class.
var classes = [...]int{order, 5, 8, 13, 21, 34}

// usual is what is taken for granted of each class until the answer has shown more: how often it holds.
var usual = [len(classes)]float64{0.45, 0.6, 0.72, 0.82, 0.88, 0.92}

func class(same int) int {
	c, exact := slices.BinarySearch(classes[:], same)
	if !exact {
		c--
	}
	return max(0, c)
}

func (o *odds) saw(same int, held bool) {
	const keep = 0.95
	c := class(same)
	o.seen[c] = o.seen[c]*keep + 1
	o.held[c] *= keep
	if held {
		o.held[c]++
	}
}

// of is how likely the next token is to be the expected one.
func (o *odds) of(same int) float64 {
	const weight = 4 // of what is usual
	c := class(same)
	return (o.held[c] + weight*usual[c]) / (o.seen[c] + weight)
}
