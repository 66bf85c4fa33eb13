package compute

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
	"github.com/qwenvld/qwenvld/engine/worker/sampler"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// Tokens of all sequences of a batch are drawn at once, and each sequence draws as it does alone.
func TestSequencesDrawAsTheyDoAlone(t *testing.T) {
	sampled := func(seed uint64) Spec {
		s := spec(40, text(int32(seed), 2, 3))
		s.Sampler = sampler.New(engine.Sampling{Temperature: 1, TopP: 0.9, PresencePenalty: 1}, nil, seed)
		s.Logprobs, s.TopLogprobs = true, 5
		return s
	}
	const requests = 12
	var alone []outcome
	one := start(t, newFakeModel(t, 2000), nil, Options{Limits: schedule.Limits{Sequences: 1}})
	for seed := range uint64(requests) {
		alone = append(alone, do(t, one, sampled(seed)))
	}
	together := start(t, newFakeModel(t, 2000), nil, Options{Limits: schedule.Limits{Sequences: requests}})
	var jobs []*Job
	for seed := range uint64(requests) {
		j, err := together.Submit(t.Context(), sampled(seed))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	for i, j := range jobs {
		if got := read(j); got.err != nil || got.text != alone[i].text || !slices.Equal(got.tokens, alone[i].tokens) {
			t.Errorf("request %d: %+v, alone %+v", i, got, alone[i])
		}
	}
}

// What bounds the next token is put together without new memory.
func TestLimitsAllocateNothing(t *testing.T) {
	spelling := func(id int32) []byte { return fakeVocab{}.Bytes(id) }
	s := spec(100, text(1))
	s.Thinking.EndTag = NewTag("</t>", vocabSize, spelling)
	s.Answer = answer.New(answer.Options{})
	g := newGeneration(&s, &mailbox{}, new(atomic.Bool))
	look := func() {
		g.block.endBanned = true
		g.tail = s.Thinking.EndTag.keep(g.tail, []byte("a</"))
		if l := g.limits(fakeVocab{}); !slices.Contains(l.Banned, tokenClose) || !slices.Contains(l.Banned, tokenEnd) {
			t.Fatalf("banned are %v", l.Banned)
		}
	}
	look()
	if n := testing.AllocsPerRun(100, look); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
