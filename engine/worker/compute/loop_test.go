package compute

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// randomPrompt makes up to four segments, images among them.
func randomPrompt(rng *rand.Rand) []Segment {
	var out []Segment
	for range 1 + rng.IntN(4) {
		if rng.IntN(3) == 0 {
			out = append(out, picture(byte(rng.IntN(256)), 1+rng.IntN(4), 1+rng.IntN(4)))
			continue
		}
		tokens := make([]int32, 1+rng.IntN(20))
		for i := range tokens {
			tokens[i] = int32(rng.IntN(50))
		}
		out = append(out, text(tokens...))
	}
	return out
}

// Requests together, in a cache too small for them all, must answer what each answers alone.
func TestCompanyDoesNotChangeAnswers(t *testing.T) {
	for name, cells := range map[string]int{"roomy": 4000, "tight": 170} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			var specs []func() Spec
			for range 30 {
				prompt, n := randomPrompt(rng), 1+rng.IntN(60)
				specs = append(specs, func() Spec { return spec(n, prompt...) })
			}
			want := make([]outcome, len(specs))
			alone := start(t, newFakeModel(t, 4000), &fakeEncoder{t: t}, Options{Limits: schedule.Limits{Sequences: 1}})
			for i, s := range specs {
				want[i] = do(t, alone, s())
			}
			together := start(t, newFakeModel(t, cells), &fakeEncoder{t: t}, Options{Limits: schedule.Limits{Sequences: 7}})
			var wg sync.WaitGroup
			for i, s := range specs {
				wg.Go(func() {
					got := do(t, together, s())
					if got.err != nil || got.text != want[i].text || *got.result != *want[i].result {
						t.Errorf("job %d: %+v, alone %+v", i, got, want[i])
					}
				})
			}
			wg.Wait()
		})
	}
}

// The products with the vocabulary's matrix are as large as a layer's: rows that no token is drawn from do without.
func TestLogitsAreAskedForWhereATokenIsDrawn(t *testing.T) {
	m := newFakeModel(t, 1000)
	l := start(t, m, &fakeEncoder{t: t}, Options{})
	const tokens = 7
	for range 3 { // the second and third would find rows of the first, were they shared
		got := do(t, l, spec(tokens, text(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20), picture(3, 5, 5), text(21, 22)))
		if got.err != nil || got.result.Usage.CompletionTokens != tokens {
			t.Fatalf("%+v", got)
		}
	}
	ended := do(t, l, spec(tokens, text(1), picture(3, 1, 2)))
	if want := 4 * tokens; ended.err != nil || m.asked != want || m.rows < 3*47 {
		t.Errorf("logits of %d rows of %d, %d tokens were drawn", m.asked, m.rows, want)
	}
}

func TestUsageCountsPromptImageAndCompletion(t *testing.T) {
	l := start(t, newFakeModel(t, 100), &fakeEncoder{t: t}, Options{})
	got := do(t, l, spec(5, text(1, 2), picture(1, 2, 3), text(3)))
	want := engine.Usage{PromptTokens: 9, ImageTokens: 6, CompletionTokens: 5}
	if got.err != nil || got.result.Usage != want || got.result.FinishReason != engine.FinishLength || len(got.text) != 5 {
		t.Errorf("%+v, %+v", got, got.result)
	}
}

func TestEndTokenStopsAndIsNotShown(t *testing.T) {
	m := newFakeModel(t, 100)
	m.script = func(_ int32, rows int) (int32, bool) {
		return map[int32]int32{3: 1, 4: tokenHush, 5: 2, 6: tokenEnd}[int32(rows)], rows >= 3
	}
	got := do(t, start(t, m, nil, Options{}), spec(50, text(1, 2, 3)))
	if got.text != "bc" || got.result.FinishReason != engine.FinishStop || got.result.Usage.CompletionTokens != 3 {
		t.Errorf("%+v %+v", got, got.result)
	}
}

func TestStopStringEndsTheAnswer(t *testing.T) {
	m := newFakeModel(t, 100)
	m.script = func(_ int32, rows int) (int32, bool) { return int32(rows - 1), true } // b, c, d, ...
	s := spec(50, text(1, 2))
	s.Answer = answer.New(answer.Options{Stop: []string{"de"}})
	s.Logprobs, s.TopLogprobs = true, 2
	got := do(t, start(t, m, nil, Options{}), s)
	if got.text != "bc" || got.result.StopString != "de" || !slices.Equal(got.tokens, []int32{1, 2}) {
		t.Errorf("%+v %+v", got, got.result)
	}
}

func TestLogprobsComeWithTheTextTheyBelongTo(t *testing.T) {
	s := spec(7, text(1, 2))
	s.Logprobs, s.TopLogprobs = true, 3
	j, err := start(t, newFakeModel(t, 100), nil, Options{}).Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	got := read(j)
	if len(got.tokens) != 7 || len(got.text) != 7 {
		t.Errorf("%d tokens for %q", len(got.tokens), got.text)
	}
}

func TestTheFirstTokensAloneCanHaveAlternatives(t *testing.T) {
	for name, c := range map[string]struct {
		logprobs bool
		top      int
		want     []int // alternatives of each token that has a log-probability
	}{
		"nothing else is asked for":   {false, 0, []int{5, 5}},
		"log-probabilities of all":    {true, 2, []int{5, 5, 2, 2}},
		"more alternatives elsewhere": {true, 7, []int{7, 7, 7, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(4, text(1, 2))
			s.Logprobs, s.TopLogprobs, s.FirstTop, s.FirstTokens = c.logprobs, c.top, 5, 2
			j, err := start(t, newFakeModel(t, 100), nil, Options{}).Submit(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for done := false; !done; {
				var events []engine.Event
				if events, done, err = j.Events(t.Context()); err != nil {
					t.Fatal(err)
				}
				for i := range events {
					for _, token := range events[i].Tokens {
						got = append(got, len(token.Top))
					}
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v alternatives, want %v", got, c.want)
			}
		})
	}
}

// thinkingSpec forces "</t>" after limit tokens.
func thinkingSpec(maxTokens, limit int) Spec {
	s := spec(maxTokens, text(1, 2))
	s.Answer = answer.New(answer.Options{Thinking: true, EndTag: "</t>", Stop: []string{"z"}})
	s.Thinking = Thinking{Open: true, Limit: limit, Close: []int32{25, tokenClose}} // z</t>
	return s
}

func TestThinkBlocksAreClosedInTime(t *testing.T) {
	cases := map[string]struct {
		script map[int]int32 // by number of rows before the token
		limit  int
		max    int
		text   string
		by     string
		usage  engine.Usage
	}{
		"by the model":         {map[int]int32{2: 0, 3: tokenClose, 4: 1, 5: tokenEnd}, 10, 20, "a</t>b", "model", engine.Usage{PromptTokens: 2, CompletionTokens: 3, ReasoningTokens: 2}},
		"by the budget":        {map[int]int32{2: 0, 3: 0, 4: 0, 6: 1, 7: tokenEnd}, 2, 20, "aaz</t>b", "budget", engine.Usage{PromptTokens: 2, CompletionTokens: 5, ReasoningTokens: 4}},
		"at once":              {map[int]int32{2: 0, 4: 1, 5: tokenEnd}, 0, 20, "z</t>b", "budget", engine.Usage{PromptTokens: 2, CompletionTokens: 3, ReasoningTokens: 2}},
		"by an end token":      {map[int]int32{2: 0, 3: tokenEnd, 5: 1, 6: tokenEnd}, 10, 20, "az</t>b", "end_token", engine.Usage{PromptTokens: 2, CompletionTokens: 4, ReasoningTokens: 3}},
		"no empty answer then": {map[int]int32{2: tokenEnd, 4: tokenEnd, 5: tokenEnd}, 10, 20, "z</t>*", "end_token", engine.Usage{PromptTokens: 2, CompletionTokens: 3, ReasoningTokens: 2}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := newFakeModel(t, 100)
			m.script = func(_ int32, rows int) (int32, bool) { token, ok := tc.script[rows]; return token, ok }
			got := do(t, start(t, m, nil, Options{}), thinkingSpec(tc.max, tc.limit))
			text := got.text
			if tc.text[len(tc.text)-1] == '*' && text != "" { // any letter
				text = text[:len(text)-1] + "*"
			}
			if got.err != nil || text != tc.text || got.result.ThinkingClosedBy != tc.by || got.result.Usage != tc.usage {
				t.Errorf("%+v %+v", got, got.result)
			}
		})
	}
}

func TestAThinkBlockThatOnlyRepeatsItselfIsClosed(t *testing.T) {
	m := newFakeModel(t, 1000)
	m.script = func(_ int32, rows int) (int32, bool) { return int32(rows % 3), true } // abcabc... for ever
	got := do(t, start(t, m, nil, Options{}), thinkingSpec(600, 500))
	if got.err != nil || got.result.ThinkingClosedBy != "loop" || got.result.Usage.ReasoningTokens > 150 || !strings.Contains(got.text, "</t>") {
		t.Errorf("%+v %+v", got, got.result)
	}
}

func TestAThinkBlockThatNobodyWaitsForIsClosed(t *testing.T) {
	l := start(t, newFakeModel(t, 4000), &fakeEncoder{t: t}, Options{})
	j, err := l.Submit(t.Context(), thinkingSpec(400, 300))
	if err != nil {
		t.Fatal(err)
	}
	j.AnswerNow()
	got := read(j)
	if got.err != nil || got.result.ThinkingClosedBy != closedByClient || got.result.Usage.ReasoningTokens >= 300 ||
		got.result.Usage.CompletionTokens <= got.result.Usage.ReasoningTokens {
		t.Errorf("%+v, %+v", got, got.result)
	}
	j.AnswerNow() // there is nothing left to close
}

func TestFullQueueRefusesAtOnce(t *testing.T) {
	gate := make(chan struct{})
	l := start(t, newFakeModel(t, 400), &fakeEncoder{t: t, gate: gate}, Options{Limits: schedule.Limits{Sequences: 1}, MaxQueue: 2})
	var jobs []*Job
	for range 3 {
		j, err := l.Submit(t.Context(), spec(3, picture(1, 1, 1), text(1)))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	if _, err := l.Submit(t.Context(), spec(3, text(1))); !errors.Is(err, engine.ErrOverloaded) {
		t.Errorf("the fourth got %v", err)
	}
	close(gate)
	for _, j := range jobs {
		if got := read(j); got.err != nil || got.result == nil {
			t.Errorf("%+v", got)
		}
	}
	if got := do(t, l, spec(3, text(1))); got.err != nil {
		t.Errorf("after the rush: %v", got.err)
	}
}

func TestASlowImageDoesNotHoldUpOthers(t *testing.T) {
	gate := make(chan struct{})
	l := start(t, newFakeModel(t, 400), &fakeEncoder{t: t, gate: gate}, Options{})
	slow, err := l.Submit(t.Context(), spec(3, picture(1, 2, 2), text(1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := do(t, l, spec(20, text(1, 2))); got.err != nil || len(got.text) != 20 {
		t.Errorf("%+v", got)
	}
	close(gate)
	if got := read(slow); got.err != nil || len(got.text) != 3 {
		t.Errorf("%+v", got)
	}
}

func TestCancelledJobsFreeTheirSequence(t *testing.T) {
	m := newFakeModel(t, 1000)
	gate := make(chan struct{})
	defer close(gate)
	l := start(t, m, &fakeEncoder{t: t, gate: gate}, Options{Limits: schedule.Limits{Sequences: 1}})
	for name, s := range map[string]Spec{
		"encoding": spec(100, picture(1, 2, 2), text(1)),
		"decoding": spec(900, text(1, 2)),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			j, err := l.Submit(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			reason := errors.New("left")
			cancel(reason)
			if got := read(j); !errors.Is(got.err, reason) && got.result == nil {
				t.Errorf("ended with %v", got.err)
			}
			j.Cancel()
			if got := do(t, l, spec(2, text(5))); got.err != nil {
				t.Errorf("the only sequence is not free: %v", got.err)
			}
		})
	}
}

func TestFailuresStayWithTheirJobs(t *testing.T) {
	boom := errors.New("boom")
	m := newFakeModel(t, 1000)
	m.fail = func(rows []Row) error {
		if slices.ContainsFunc(rows, func(r Row) bool { return r.Token == 49 }) {
			return boom
		}
		return nil
	}
	l := start(t, m, &fakeEncoder{t: t, err: boom}, Options{})
	if got := do(t, l, spec(3, text(49))); !errors.Is(got.err, boom) {
		t.Errorf("decode: %v", got.err)
	}
	if got := do(t, l, spec(3, picture(1, 1, 1))); !errors.Is(got.err, boom) {
		t.Errorf("encode: %v", got.err)
	}
	if got := do(t, l, spec(3, text(1))); got.err != nil {
		t.Errorf("the next job: %v", got.err)
	}
}

func TestImpossibleJobsAreRefused(t *testing.T) {
	l := start(t, newFakeModel(t, 10), nil, Options{})
	for _, s := range []Spec{spec(1), spec(0, text(1)), spec(10, text(1))} {
		if _, err := l.Submit(t.Context(), s); err == nil {
			t.Errorf("accepted %+v", s)
		}
	}
	if got := do(t, l, spec(9, text(1))); got.err != nil || len(got.text) != 9 {
		t.Errorf("a job that fills the cache: %+v", got)
	}
}

func TestEndOfTheLoopEndsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeModel(t, 100)
		l := New(Options{Limits: schedule.Limits{Cells: 100, BatchRows: 16, PrefillRows: 4, Sequences: 1}, MaxQueue: 4}, m,
			&fakeEncoder{t: t, gate: make(chan struct{})}, fakeVocab{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Run(ctx)
		}()
		var jobs []*Job
		for range 2 {
			j, err := l.Submit(t.Context(), spec(3, picture(1, 1, 1), text(1)))
			if err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, j)
		}
		synctest.Wait()
		cancel()
		<-ended
		for _, j := range jobs {
			if got := read(j); !errors.Is(got.err, engine.ErrUnavailable) {
				t.Errorf("ended with %v", got.err)
			}
		}
		if _, err := l.Submit(t.Context(), spec(3, text(1))); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("a late job got %v", err)
		}
	})
}

// Who waits for a slot and cannot have a first token in time any more does not get one. Others wait on.
func TestJobsThatCannotBeginInTimeLeaveTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const step = 10 * time.Millisecond
		m := newFakeModel(t, 1000)
		m.fail = func(rows []Row) error {
			time.Sleep(time.Duration(len(rows)) * step)
			return nil
		}
		l := start(t, m, nil, Options{Limits: schedule.Limits{Sequences: 1}})
		begun := time.Now()
		first := submit(t.Context(), t, l, spec(50, text(1, 2, 3, 4)))
		late, early, patient := spec(1, text(5, 1, 2, 3, 4)), spec(1, text(6, 1, 2)), spec(1, text(7, 1, 2))
		late.FirstBy, early.FirstBy = begun.Add(20*step), begun.Add(time.Hour)
		gone := submit(t.Context(), t, l, late)
		others := []*Job{submit(t.Context(), t, l, early), submit(t.Context(), t, l, patient)}
		if got := read(gone); !errors.Is(got.err, engine.ErrLate) {
			t.Errorf("ended with %v", got.err)
		}
		// It leaves when its five rows cannot be computed in time, at a step's end.
		if at := time.Since(begun); at < 14*step || at > 17*step {
			t.Errorf("it left after %v", at)
		}
		for _, j := range append(others, first) {
			if got := read(j); got.err != nil {
				t.Error(got.err)
			}
		}
	})
}

// Of two that wait for a slot, the more urgent one has it first, though it takes longer.
func TestUrgentJobsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeModel(t, 100)
		var order []int32
		busy := make(chan struct{})
		m.fail = func(rows []Row) error {
			switch token := rows[0].Token; token {
			case 1:
				<-busy
			case 48, 49:
				order = append(order, token)
			}
			time.Sleep(time.Millisecond) // by the bubble's clock: what a step takes
			return nil
		}
		l := New(Options{Limits: schedule.Limits{Cells: 100, Sequences: 1, BatchRows: 16, PrefillRows: 16}, MaxQueue: 9}, m, nil, fakeVocab{})
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		all.Go(func() { l.Run(ctx) })
		idle, urgent := spec(1, text(48, 0, 0)), spec(1, text(49, 0, 0, 0))
		urgent.Weight = 1000
		var answers sync.WaitGroup
		for _, s := range []Spec{spec(1, text(1)), idle, urgent} {
			answers.Go(func() {
				if got := do(t, l, s); got.err != nil {
					t.Error(got.err)
				}
			})
			synctest.Wait() // the first is computed, the others wait for the loop
		}
		close(busy)
		answers.Wait()
		if !slices.Equal(order, []int32{49, 48}) {
			t.Errorf("%v", order)
		}
	})
}
