package speculation

import "time"

// MostRows is up to how many rows steps are told apart. Drafts make no step larger than that.
const MostRows = 64

// Controller decides how many guesses are computed in a step. Rows cost time, so a guess has to be likely enough for
// what a row costs on this machine, which the controller learns from how long steps took. One goroutine uses it.
type Controller struct {
	lanes [MostRows + 1]lane // by rows of a step
	steps int
}

// lane is what is known of steps with one number of rows.
type lane struct {
	seconds float64 // 0 where there has been none
	seen    int     // the last step there was
}

const (
	// fresh is for how many steps what a number of rows took is taken as it is. Later it changes along with what is
	// seen of others.
	fresh = 32
	// memory is after how many steps it is forgotten, so that more rows are tried again where they did not pay, and
	// without is after how many a step is made without guesses where they do.
	memory, without = 1024, 128
	// follow is how fast an estimate follows what is seen, surprise by what factor that may differ from it.
	follow, surprise = 0.2, 2
	// hopeful is what each further row is taken to add to a step as long as nothing is known of more rows, as a share
	// of it.
	hopeful = 0.08
	// gain is how much faster a step must promise to be, a token, to be larger than it has to be.
	gain = 1.03
)

// Took tells how long a step took that decoded so many rows and did nothing else.
func (c *Controller) Took(rows int, d time.Duration) {
	if rows < 1 || rows > MostRows || d <= 0 {
		return
	}
	c.steps++
	own := &c.lanes[rows]
	if own.seconds == 0 {
		*own = lane{d.Seconds(), c.steps}
		return
	}
	before := own.seconds
	seen := min(max(d.Seconds(), before/surprise), before*surprise)
	change := 1 + follow*(seen-before)/before
	own.seen = c.steps
	for i := range c.lanes {
		other := &c.lanes[i]
		switch age := c.steps - other.seen; {
		case age > memory:
			*other = lane{}
		case age > fresh || age == 0:
			other.seconds *= change
		}
	}
}

// step is how long a step of so many rows takes. Where there has been none, it is on the line
// between those that there were, and beyond the largest one on that from the one before it.
func (c *Controller) step(rows int) float64 {
	low, high := 0, 0
	for n := 1; n <= MostRows; n++ {
		switch {
		case c.lanes[n].seconds == 0:
		case n == rows:
			return c.lanes[n].seconds
		case n < rows:
			low = n
		case high == 0:
			high = n
		}
	}
	switch {
	case low == 0:
		return c.lanes[high].seconds
	case high == 0:
		return c.beyond(low, rows)
	}
	a, b := c.lanes[low].seconds, c.lanes[high].seconds
	return a + max(0, b-a)*float64(rows-low)/float64(high-low)
}

// beyond is what a step takes that is larger than any there was.
func (c *Controller) beyond(largest, rows int) float64 {
	last, slope := c.lanes[largest].seconds, hopeful*c.lanes[largest].seconds
	for n := largest - 1; n >= 1; n-- {
		if c.lanes[n].seconds > 0 {
			slope = max(0, last-c.lanes[n].seconds) / float64(largest-n)
			break
		}
	}
	return last + slope*float64(rows-largest)
}

// Share says how many guesses of each sequence are computed in a step that has so many rows without any. chances are,
// for each sequence, how likely each guess is to be right together with those before it; room bounds the guesses. The
// result is written to shares.
func (c *Controller) Share(rows int, chances [][]float64, room int, shares []int) {
	clear(shares)
	room = min(room, MostRows-rows)
	if room <= 0 || c.steps == 0 || c.steps-c.lanes[rows].seen > without {
		return
	}
	base := c.step(rows)
	best, tokens := 0, float64(rows)
	rate := gain * tokens / base
	// First all guesses, the likeliest first, of which those up to the best number are kept.
	order := 0
	for order < room {
		next := likeliest(chances, shares)
		if next < 0 {
			break
		}
		tokens += chances[next][shares[next]]
		shares[next]++
		order++
		if r := tokens / c.step(rows+order); r > rate {
			rate, best = r, order
		}
	}
	clear(shares)
	for range best {
		shares[likeliest(chances, shares)]++
	}
}

// likeliest is the sequence whose next guess is the likeliest of all, -1 where none has any left.
func likeliest(chances [][]float64, shares []int) (sequence int) {
	sequence = -1
	best := 0.0
	for i, c := range chances {
		if n := shares[i]; n < len(c) && c[n] > best {
			sequence, best = i, c[n]
		}
	}
	return sequence
}
