package speculation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// machine is how long a step of so many rows takes, in milliseconds.
type machine func(rows int) float64

var (
	// A card reads the weights once for all rows.
	card machine = func(rows int) float64 { return 5 + 0.02*float64(rows) }
	// A processor takes about as long for each further row of a few as half a step, as was measured of a 2B.
	processor machine = func(rows int) float64 { return 15 + 15*float64(rows) }
	// A slow one takes as long for every row.
	slow machine = func(rows int) float64 { return 30 * float64(rows) }
)

func sure(n int, chance float64) (chances []float64) {
	c := 1.0
	for range n {
		c *= chance
		chances = append(chances, c)
	}
	return chances
}

// run lets a controller plan so many steps on a machine whose times vary, and returns how many guesses it had computed,
// and the time a token, drawn so that guesses hold as often as their chances say.
func run(c *Controller, m machine, steps, sequences int, chance float64) (guesses int, token float64) {
	rng := rand.New(rand.NewPCG(1, 1))
	took, tokens := 0.0, 0.0
	for range steps {
		var chances [][]float64
		for range sequences {
			chances = append(chances, sure(8, chance))
		}
		shares := make([]int, sequences)
		c.Share(sequences, chances, 100, shares)
		rows := sequences
		for i, n := range shares {
			rows += n
			tokens++
			for _, held := range chances[i][:n] {
				tokens += held
			}
		}
		d := m(rows) * (0.95 + 0.1*rng.Float64())
		c.Took(rows, time.Duration(d*float64(time.Millisecond)))
		took += d
		guesses += rows - sequences
	}
	return guesses, took / tokens
}

func TestGuessesAreComputedWhereTheyPay(t *testing.T) {
	for _, c := range []struct {
		name      string
		machine   machine
		sequences int
		chance    float64
		least     float64 // guesses a step and sequence
		most      float64
		faster    float64 // the time a token is at most so much of that without guesses
	}{
		{"a card, copying", card, 1, 0.95, 7, 8, 0.2},
		{"a card, hardly copying", card, 1, 0.3, 2, 8, 0.75},
		{"a card, eight sequences", card, 8, 0.9, 4, 8, 0.4},
		{"a processor, copying", processor, 1, 0.97, 3, 8, 0.75},
		{"a processor, half the time", processor, 1, 0.45, 0, 0.1, 1.03},
		{"a processor, eight sequences", processor, 8, 0.6, 0, 0.2, 1.03},
		{"a slow machine, copying", slow, 1, 0.97, 0, 0.1, 1.05},
	} {
		t.Run(c.name, func(t *testing.T) {
			const steps = 2000
			guesses, token := run(&Controller{}, c.machine, steps, c.sequences, c.chance)
			without := c.machine(c.sequences) / float64(c.sequences)
			if n := float64(guesses) / steps / float64(c.sequences); n < c.least || n > c.most {
				t.Errorf("%.2f guesses a step and sequence, want %v to %v", n, c.least, c.most)
			}
			if token > c.faster*without {
				t.Errorf("%.2f ms a token, %.2f without guesses", token, without)
			}
		})
	}
}

// What rows cost changes, with the depth of the cache or with what else runs on the machine.
func TestTheControllerFollowsAMachineThatChanges(t *testing.T) {
	for i, order := range [][]machine{{card, slow, card}, {slow, card, slow}, {processor, card, slow}} {
		var c Controller
		for j, m := range order {
			run(&c, m, 5000, 1, 0.95)
			guesses, _ := run(&c, m, 500, 1, 0.95)
			if pays := m(8) < 5*m(1); pays != (guesses > 1500) || !pays && guesses > 100 {
				t.Errorf("order %d, machine %d: %d guesses in 500 steps", i, j, guesses)
			}
		}
	}
}

func TestSharesGoToTheLikeliest(t *testing.T) {
	for _, c := range []struct {
		rows, room int
		chances    [][]float64
		want       []int
	}{
		{2, 100, [][]float64{{.9, .8}, {.5, .1}}, []int{2, 2}},
		{2, 3, [][]float64{{.9, .8}, {.5, .1}}, []int{2, 1}},
		{2, 1, [][]float64{{.5}, {.9}}, []int{0, 1}},
		{2, 0, [][]float64{{.5}, {.9}}, []int{0, 0}},
		{2, -5, [][]float64{{.5}, {.9}}, []int{0, 0}},
		{3, 100, [][]float64{{}, nil, {1, 1, 1}}, []int{0, 0, 3}},
		{MostRows, 100, [][]float64{{1}}, []int{0}},
		{MostRows + 9, 100, [][]float64{{1}}, []int{0}},
	} {
		t.Run(fmt.Sprint(c.rows, c.room, c.chances), func(t *testing.T) {
			var free Controller // rows cost nothing
			free.Took(c.rows, time.Millisecond)
			free.Took(MostRows, time.Millisecond)
			got := make([]int, len(c.chances))
			free.Share(c.rows, c.chances, c.room, got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestNothingIsGuessedBeforeAStepWasSeen(t *testing.T) {
	var c Controller
	shares := []int{5}
	c.Share(1, [][]float64{{1, 1}}, 9, shares)
	if shares[0] != 0 {
		t.Errorf("%v", shares)
	}
}

// A step that took long because the machine was stopped does not end guessing for good, nor does it begin it.
func TestASurpriseDoesNotLast(t *testing.T) {
	for _, m := range []machine{card, slow} {
		var c Controller
		before, _ := run(&c, m, 1000, 1, 0.95)
		for _, rows := range []int{1, 5, 9} {
			c.Took(rows, 5*time.Second)
		}
		run(&c, m, 500, 1, 0.95)
		after, _ := run(&c, m, 1000, 1, 0.95)
		if diff := after - before; diff < -500 || diff > 500 {
			t.Errorf("%d guesses before, %d after", before, after)
		}
	}
}
