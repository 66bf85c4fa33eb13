// Command simulate plays requests against pools of model servers and prints what choosing among them does to the hits
// of their prefix caches and to the time of the first token, and how many routers the load takes. Servers are chosen by
// engine/upstream/pool itself. docs/SCALING.md has its tables.
//
// It must not measure anything by itself: what servers and routers can do are its flags.
package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

func main() {
	var p plan
	flag.Float64Var(&p.rate, "rate", 1000, "requests a second")
	flag.Float64Var(&p.seconds, "seconds", 60, "how long requests come")
	flag.IntVar(&p.replicas, "replicas", 0, "servers in the pool; 0 takes as many as carry the load at -load without any hits")
	flag.Float64Var(&p.load, "load", 0.7, "share of the servers' time that the load would take without hits, to size the pool")
	flag.Float64Var(&p.turns, "turns", 6, "mean turns of a conversation")
	flag.IntVar(&p.first, "first", 1200, "tokens of a conversation's first prompt, pictures included")
	flag.IntVar(&p.more, "more", 300, "tokens that each further turn adds to the prompt")
	flag.IntVar(&p.answer, "answer", 200, "tokens of an answer")
	flag.Float64Var(&p.prefill, "prefill", 20000, "tokens of prompts a server computes in a second")
	flag.DurationVar(&p.token, "token", 12*time.Millisecond, "time between an answer's tokens")
	flag.IntVar(&p.slots, "slots", 64, "answers that a server makes at a time")
	flag.IntVar(&p.cache, "cache", 400_000, "tokens of prompts that a server keeps")
	flag.Float64Var(&p.hot, "hot", 0.02, "share of requests that belong to one conversation, as of a crowd that asks about one document")
	flag.Float64Var(&p.perEvent, "event-us", 20, "processor time of a router for an event of a stream, in microseconds")
	flag.Float64Var(&p.perRequest, "request-us", 400, "the same for a request without its events")
	seed := flag.Uint64("seed", 1, "of the random numbers")
	flag.Parse()
	if p.replicas == 0 {
		p.replicas = max(2, int(math.Ceil(p.rate*p.work()/p.load)))
	}
	fmt.Printf("%.0f requests/s, %d servers, %s\n\n| choice | hits | first token, median | p99 | spilled | busiest / mean |\n| --- | --- | --- | --- | --- | --- |\n",
		p.rate, p.replicas, p.routers())
	for _, c := range []chooser{&random{}, &leastLoaded{}, &sticky{}, &spilling{}} {
		r := run(&p, c, rand.New(rand.NewPCG(*seed, 0)))
		fmt.Fprintln(os.Stdout, r.row(c.name()))
	}
}

// plan is what is played.
type plan struct {
	rate, seconds, load, turns, hot, prefill float64
	replicas, first, more, answer            int
	slots, cache                             int
	token                                    time.Duration
	perEvent, perRequest                     float64
}

// work is how much of a server a request takes without hits, in seconds: its prompt takes all of it, its answer a slot.
func (p *plan) work() float64 {
	mean := float64(p.first) + float64(p.more)*(p.turns-1)/2
	return mean/p.prefill + float64(p.answer)*p.token.Seconds()/float64(p.slots)
}

// routers says how many processes with two processors each, at most two thirds busy, pass the load on.
func (p *plan) routers() string {
	cores := p.rate * (p.perRequest + p.perEvent*float64(p.answer)) / 1e6
	const usable = 2 * 2.0 / 3
	return fmt.Sprintf("routers: %.1f processors, %d processes of two", cores, int(math.Ceil(cores/usable)))
}

// result is what came of a run.
type result struct {
	first               []float64 // times to the first token, in seconds
	asked, hit          float64   // tokens of prompts
	requests, spilled   int
	most, served, count float64
}

func (r *result) row(name string) string {
	slices.Sort(r.first)
	at := func(q float64) float64 { return 1000 * r.first[int(q*float64(len(r.first)-1))] }
	return fmt.Sprintf("| %s | %.0f%% | %.0f ms | %.0f ms | %.1f%% | %.2f |", name, 100*r.hit/r.asked, at(0.5), at(0.99),
		100*float64(r.spilled)/float64(r.requests), r.most/(r.served/r.count))
}
