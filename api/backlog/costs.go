package backlog

import (
	"cmp"
	"time"
)

// costs are what the parts of requests take: a sum of products, whose factors are learnt from one request after the
// other.
type costs struct {
	seconds [parts]float64 // of text, images, videos, answers
	answer  float64        // tokens of an answer, on average
	image   float64        // tokens of an image, on average; 0 while none was sized
	fresh   float64        // part of a prompt that is computed, on average
	known   bool
}

const parts = 4

// amounts are what a request has of each part, in units of about the same cost. Prompts count as far as they are
// computed.
func (c *costs) amounts(w Work, fresh float64) [parts]float64 {
	const text, image, answer = 1000, 1000, 100
	tokens := w.ImageTokens + max(0, w.Images-w.Sized)*cmp.Or(c.image, image)
	return [parts]float64{fresh * w.Text / text, fresh * tokens / image, fresh * w.Videos, w.Answer / answer}
}

// takes is what a request is expected to take, 0 as long as nothing is known.
func (c *costs) takes(w Work) time.Duration {
	if !c.known {
		return 0
	}
	if w.Answer == 0 || w.Answer > c.answer {
		w.Answer = c.answer
	}
	return time.Duration(c.of(c.amounts(w, c.fresh)) * float64(time.Second))
}

// prompt is what a request's prompt is expected to take, 0 as long as nothing is known.
func (c *costs) prompt(w Work) time.Duration {
	w.Answer = 0
	return time.Duration(c.of(c.amounts(w, c.fresh)) * float64(time.Second))
}

func (c *costs) of(x [parts]float64) (seconds float64) {
	for i := range x {
		seconds += c.seconds[i] * x[i]
	}
	return seconds
}

// learn takes in what a request took. The factors move as little as it takes to come nearer to that: those of the parts
// of which the request had most.
func (c *costs) learn(w Work, took time.Duration) {
	const follow, surprise = 0.3, 4
	fresh := max(0, 1-w.Cached)
	if w.Sized > 0 {
		size := w.ImageTokens / w.Sized
		c.image = cmp.Or(c.image, size) // the first is taken as it is
		c.image += follow * (size - c.image)
	}
	x := c.amounts(w, fresh)
	norm := 0.0
	for _, v := range x {
		norm += v * v
	}
	if norm == 0 {
		return
	}
	seconds, rate := took.Seconds(), follow
	if c.known {
		// Neither a stop of the whole machine nor an answer from a cache tells much.
		expected := c.of(x)
		if expected > 0 {
			seconds = min(max(seconds, expected/surprise), expected*surprise)
		}
		c.answer += follow * (w.Answer - c.answer)
		c.fresh += follow * (fresh - c.fresh)
	} else {
		rate = 1
		c.answer, c.fresh, c.known = w.Answer, fresh, true
	}
	missed := seconds - c.of(x)
	for i := range x {
		c.seconds[i] = max(0, c.seconds[i]+rate*missed*x[i]/norm)
	}
}
