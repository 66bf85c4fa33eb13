package worker

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// talk is a conversation: turns of text, pictures and frame pairs.
type talk struct {
	pieces []engine.Piece
	images []engine.Image
}

// turn adds a question with up to two pictures, or a clip of frame pairs.
func (k talk) turn(rng *rand.Rand) talk {
	k.pieces, k.images = slices.Clone(k.pieces), slices.Clone(k.images)
	control := func(text string) { k.pieces = append(k.pieces, engine.Piece{Kind: engine.PieceControl, Text: text}) }
	pair := rng.IntN(3) == 0
	control("<|im_start|>user\n")
	for i := range rng.IntN(3) {
		if pair {
			control(fmt.Sprintf("<%d.0 seconds>", i))
		}
		img := engine.Image{Width: 32 * (1 + rng.IntN(3)), Height: 32 * (1 + rng.IntN(3)), Pair: pair}
		img.RGB = make([]byte, img.Size())
		// Few pictures, so that some come again elsewhere.
		shade := byte(40 * rng.IntN(4))
		for j := range img.RGB {
			img.RGB[j] = shade + byte(j*j>>3)
		}
		k.images = append(k.images, img)
		control("<|vision_start|>")
		k.pieces = append(k.pieces, engine.Piece{Kind: engine.PieceImage, Image: len(k.images) - 1})
		control("<|vision_end|>")
	}
	words := []string{"how many", " red", " circles", " are left", " of the", " square", "?"}
	for range 1 + rng.IntN(6) {
		k.pieces = append(k.pieces, engine.Piece{Kind: engine.PieceText, Text: words[rng.IntN(len(words))]})
	}
	control("<|im_end|>\n<|im_start|>assistant\n")
	return k
}

// talks go on from each other, as turns of one conversation, as branches of it, and asked again.
func talks(rng *rand.Rand, n int) (out []talk) {
	for len(out) < n {
		before := talk{}
		if len(out) > 0 && rng.IntN(4) > 0 {
			before = out[rng.IntN(len(out))]
		}
		if len(before.images) > 5 || rng.IntN(5) == 0 && len(before.pieces) > 0 {
			out = append(out, before)
			continue
		}
		out = append(out, before.turn(rng))
	}
	return out
}

func (k talk) request(id, tokens int) *engine.Request {
	return &engine.Request{
		ID: fmt.Sprint(id), Prompt: k.pieces, Images: k.images, MaxTokens: tokens, Logprobs: true, TopLogprobs: 20, MayRepeat: true,
	}
}

// logprobs are those of an answer, token by token, with what was reused of its prompt.
func (s *service) logprobs(req *engine.Request) (tokens []engine.Token, usage engine.Usage, err error) {
	events, err := s.events(context.Background(), req)
	for _, ev := range events {
		tokens = append(tokens, ev.Tokens...)
		if ev.Result != nil {
			usage = ev.Result.Usage
		}
	}
	return tokens, usage, err
}

// difference is the greatest one between log-probabilities of the same tokens, up to where the answers part at a close
// choice.
func difference(a, b []engine.Token) (greatest float64) {
	for i := range min(len(a), len(b)) {
		for _, x := range a[i].Top {
			for _, y := range b[i].Top {
				if x.ID == y.ID {
					greatest = max(greatest, math.Abs(x.Logprob-y.Logprob))
				}
			}
		}
		if a[i].ID != b[i].ID {
			// The likeliest of one must be nearly as likely in the other.
			greatest = max(greatest, math.Abs(a[i].Logprob-b[i].Logprob))
			break
		}
	}
	return greatest
}

// Logits that follow rows computed for another request are those that follow rows of one's own, but for rounding: in
// turn and together, in a cache that is large enough and in one where rows are given up and sequences preempted.
func TestReusedRowsGiveTheLogitsOfComputedOnes(t *testing.T) {
	for name, c := range map[string]struct {
		variant, cacheType string
		cells, together    int
		most               float64
	}{
		"exact":          {"dense-tied", "f32", 4096, 1, 1e-3},
		"exact together": {"dense-untied", "f32", 4096, 4, 1e-3},
		"exact, tight":   {"dense-tied", "f32", 700, 4, 1e-3},
		"half precision": {"dense-untied", "f16", 4096, 4, 2e-2},
		"experts":        {"moe", "f32", 4096, 2, 1e-3},
	} {
		t.Run(name, func(t *testing.T) {
			settings := config(c.variant)
			settings.ContextSize, settings.CacheTokens, settings.CacheType = 512, max(c.cells, 512), c.cacheType
			settings.PrefixCache = settings.CacheTokens
			with := start(t, settings)
			settings.PrefixCache, settings.CacheTokens = -1, 4096
			without := start(t, settings)
			rng := rand.New(rand.NewPCG(11, 12))
			all := talks(rng, 40)
			var mu sync.Mutex
			reused, worst := 0, 0.0
			for batch := range slices.Chunk(all, c.together) {
				var running sync.WaitGroup
				for i, k := range batch {
					running.Go(func() {
						got, usage, err := with.logprobs(k.request(i, 6))
						want, plain, err2 := without.logprobs(k.request(i, 6))
						if err != nil || err2 != nil || len(want) == 0 || plain.CachedTokens != 0 || usage.PromptTokens != plain.PromptTokens {
							t.Errorf("%v, %v, %d tokens, %+v", err, err2, len(want), plain)
						}
						mu.Lock()
						defer mu.Unlock()
						reused += usage.CachedTokens
						worst = max(worst, difference(got, want))
					})
				}
				running.Wait()
			}
			t.Logf("%d rows reused, differences up to %.2g", reused, worst)
			if reused == 0 || worst > c.most {
				t.Errorf("%d rows were reused, log-probabilities differ by up to %g, at most %g may be", reused, worst, c.most)
			}
		})
	}
}

// An answer that its client gave up leaves rows that are as good as any.
func TestRowsOfRequestsThatWereGivenUpCanBeReused(t *testing.T) {
	settings := config("dense-tied")
	settings.CacheType = "f32"
	with := start(t, settings)
	settings.PrefixCache = -1
	without := start(t, settings)
	k := talk{}.turn(rand.New(rand.NewPCG(3, 1)))
	for i := range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _, _ = with.events(ctx, k.request(i, 100)) })
		// The worker has the time of some other requests to get on with it.
		for range i {
			if resp, err := with.client.Get("http://worker" + wire.PathHealth); err == nil {
				_ = resp.Body.Close()
			}
		}
		cancel()
		running.Wait()
	}
	got, usage, err := with.logprobs(k.request(1, 20))
	want, _, err2 := without.logprobs(k.request(1, 20))
	if err != nil || err2 != nil || difference(got, want) > 1e-3 {
		t.Errorf("%v, %v, differences of %g after %d reused rows", err, err2, difference(got, want), usage.CachedTokens)
	}
}
