package main

import (
	"container/heap"
	"container/list"
	"math/rand/v2"
)

// server is a model server: it computes prompts one after the other, makes as many answers as it has slots for, and
// keeps what it computed of conversations, the least recently used going first.
type server struct {
	plan *plan
	// free is when the prompts before have been computed, slots when each slot is free.
	free   float64
	slots  []float64
	kept   map[int]*list.Element
	order  list.List // of conversations, the most recent first
	tokens int
	served float64
}

// conversation is what is kept of one.
type conversation struct{ id, tokens int }

// serve takes a request and says when its first token and its last come, and how many tokens of its prompt were kept.
func (s *server) serve(at float64, id, prompt int) (first, last float64, hit int) {
	if e := s.kept[id]; e != nil {
		hit = min(e.Value.(*conversation).tokens, prompt)
	}
	slot := 0
	for i, t := range s.slots {
		if t < s.slots[slot] {
			slot = i
		}
	}
	began := max(at, s.free, s.slots[slot])
	s.free = began + float64(prompt-hit)/s.plan.prefill
	first = s.free + s.plan.token.Seconds()
	last = first + float64(s.plan.answer-1)*s.plan.token.Seconds()
	s.slots[slot] = last
	s.keep(id, prompt+s.plan.answer)
	s.served++
	return first, last, hit
}

func (s *server) keep(id, tokens int) {
	if e := s.kept[id]; e != nil {
		c := e.Value.(*conversation)
		s.tokens += tokens - c.tokens
		c.tokens = tokens
		s.order.MoveToFront(e)
	} else {
		s.kept[id] = s.order.PushFront(&conversation{id, tokens})
		s.tokens += tokens
	}
	for s.tokens > s.plan.cache && s.order.Len() > 1 {
		e := s.order.Back()
		c := s.order.Remove(e).(*conversation)
		delete(s.kept, c.id)
		s.tokens -= c.tokens
	}
}

// ending is a request that ends.
type ending struct {
	at   float64
	done func()
}

// endings are those to come, the next first.
type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at < e[j].at }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(x any)        { *e = append(*e, x.(ending)) }
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// talk is a conversation that goes on.
type talk struct{ id, turn int }

// run plays the plan. Requests of the first third warm the caches and are not counted.
func run(p *plan, c chooser, r *rand.Rand) *result {
	servers := make([]*server, p.replicas)
	for i := range servers {
		servers[i] = &server{plan: p, slots: make([]float64, p.slots), kept: map[int]*list.Element{}}
	}
	c.begin(servers, r)
	var (
		out     result
		pending endings
		talks   []talk
		next    = 1 // conversation 0 is the one that a crowd shares
	)
	open := int(p.rate * p.turns) // conversations at a time: each asks again after as many seconds as it has turns
	for at := 0.0; at < p.seconds; at += r.ExpFloat64() / p.rate {
		for len(pending) > 0 && pending[0].at <= at {
			heap.Pop(&pending).(ending).done()
		}
		id, prompt := 0, p.first
		if r.Float64() >= p.hot {
			if len(talks) < open {
				talks = append(talks, talk{id: next})
				next++
			}
			i := r.IntN(len(talks))
			if talks[i].turn > 0 && r.Float64() < 1/p.turns {
				talks[i] = talk{id: next}
				next++
			}
			id, prompt = talks[i].id, p.first+p.more*talks[i].turn
			talks[i].turn++
		}
		s, spilled, done := c.choose(id)
		first, last, hit := s.serve(at, id, prompt)
		heap.Push(&pending, ending{last, done})
		if at < p.seconds/3 {
			continue
		}
		out.requests++
		out.asked, out.hit = out.asked+float64(prompt), out.hit+float64(hit)
		out.first = append(out.first, first-at)
		if spilled {
			out.spilled++
		}
	}
	for _, s := range servers {
		out.most, out.served = max(out.most, s.served), out.served+s.served
	}
	out.count = float64(len(servers))
	return &out
}
