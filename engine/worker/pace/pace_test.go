package pace

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// machine says how many milliseconds a step takes with some threads, before chance.
type machine struct {
	ms    func(threads int) float64
	noise float64 // share of the time, either way
	// others take the core away for so long, so often in a millisecond.
	away, often float64
}

func table(noise float64, ms ...float64) machine {
	return machine{ms: func(threads int) float64 { return ms[threads-1] }, noise: noise}
}

// What was measured on two cores: a model with 8 layers of the 2B alone and beside two busy loops, and a tiny one.
func alone() machine  { return table(0.05, 24, 16) }
func beside() machine { return table(0.4, 30, 56) }
func tiny() machine   { return table(0.1, 0.37, 2) }

// crowded is the tiny model on a machine with many others.
func crowded() machine {
	m := table(0.5, 0.37, 20)
	m.away, m.often = 30, 0.1
	return m
}

// run computes steps and returns their mean time in milliseconds and how often each number of threads was taken.
func run(t *testing.T, p *Pace, m machine, rng *rand.Rand, most, steps, rows int) (ms float64, taken []int) {
	t.Helper()
	taken = make([]int, most+1)
	for range steps {
		n := p.Threads(rows)
		if n < 1 || n > most {
			t.Fatalf("%d threads of %d", n, most)
		}
		took := m.ms(n) * (1 + m.noise*(2*rng.Float64()-1))
		if rng.Float64() < took*m.often {
			took += m.away
		}
		p.Took(rows, time.Duration(took*float64(time.Millisecond)))
		taken[n]++
		ms += took / float64(steps)
	}
	return ms, taken
}

// bestOf is the least that a step takes on average.
func bestOf(m machine, most int) float64 {
	best := math.Inf(1)
	for n := 1; n <= most; n++ {
		best = min(best, m.ms(n)+m.away*m.often*m.ms(n))
	}
	return best
}

func TestTheFastestNumberOfThreadsIsFoundAndKept(t *testing.T) {
	many := func(serial, wait float64) machine { // work that splits, and waiting that grows
		return machine{ms: func(n int) float64 { return serial/float64(n) + wait*float64(n) }, noise: 0.05}
	}
	for name, c := range map[string]struct {
		m      machine
		most   int
		excess float64
	}{
		"alone": {alone(), 2, 0.04}, "beside": {beside(), 2, 0.2}, "tiny": {tiny(), 2, 0.08}, "crowded": {crowded(), 2, 0.5}, "one core": {table(0.1, 5), 1, 0.02},
		"16 cores": {many(160, 0.01), 16, 0.06}, "16 cores, few pay": {many(16, 0.5), 16, 0.1}, "64 cores": {many(100, 0.1), 64, 0.1},
		"equal": {table(0.1, 9, 9), 2, 0.02},
	} {
		for seed := range uint64(20) {
			p, rng := New(c.most), rand.New(rand.NewPCG(seed, 7))
			run(t, p, c.m, rng, c.most, 400, 1)
			got, taken := run(t, p, c.m, rng, c.most, 3000, 1)
			if best := bestOf(c.m, c.most); got > best*(1+c.excess) {
				t.Errorf("%s, seed %d: %.2f ms a step, the best is %.2f; threads %v", name, seed, got, best, taken)
			}
		}
	}
}

func TestAMachineThatBecomesBusyOrQuietIsNoticedWithinDozensOfSteps(t *testing.T) {
	for seed := range uint64(50) {
		p, rng := New(2), rand.New(rand.NewPCG(seed, 9))
		run(t, p, alone(), rng, 2, 300, 1)
		run(t, p, beside(), rng, 2, 60, 1)
		if got, taken := run(t, p, beside(), rng, 2, 100, 1); got > 40 {
			t.Errorf("seed %d, busy for 60 steps: %.1f ms a step, threads %v", seed, got, taken)
		}
		run(t, p, alone(), rng, 2, 120, 1)
		if got, taken := run(t, p, alone(), rng, 2, 100, 1); got > 18.5 {
			t.Errorf("seed %d, quiet for 120 steps: %.1f ms a step, threads %v", seed, got, taken)
		}
	}
}

func TestPromptsTakeAllThreadsAndTeachNothing(t *testing.T) {
	p, rng := New(2), rand.New(rand.NewPCG(1, 1))
	run(t, p, tiny(), rng, 2, 200, 1)
	for range 100 {
		if got := p.Threads(mostRows + 1); got != 2 {
			t.Fatalf("%d threads for a prompt", got)
		}
		p.Took(mostRows+1, time.Second)
	}
	if got, taken := run(t, p, tiny(), rng, 2, 100, 1); got > 0.5 {
		t.Errorf("after prompts: %.2f ms a step, threads %v", got, taken)
	}
}

// Steps of several rows begin where those of one have arrived.
func TestAnotherNumberOfRowsBeginsWithWhatTheLastOneHad(t *testing.T) {
	p, rng := New(2), rand.New(rand.NewPCG(1, 1))
	run(t, p, tiny(), rng, 2, 200, 1)
	if got := p.Threads(3); got != 1 {
		t.Errorf("%d threads", got)
	}
}
