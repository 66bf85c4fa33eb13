package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/router/train"
)

// Options say whom to ask, and how.
type Options struct {
	// URL is the daemon's, with /v1. Key may be empty.
	URL, Key string
	// Model is the routed model's name; its variants are Model-instruct and Model-thinking.
	Model string
	// Concurrency is how many prompts are asked at a time, at least 1. A prompt's two variants are asked one after the
	// other.
	Concurrency int
	// Timeout bounds a request.
	Timeout time.Duration
	// MaxTokens bounds answers to requests that have no bound of their own; 0 leaves it to the daemon.
	MaxTokens int
	// Outcomes is the file that outcomes are appended to, and that says what is not asked again.
	Outcomes string
	// Progress, if not nil, is told after each prompt. It is not called twice at the same time.
	Progress func(Summary)

	sleep func(ctx context.Context, d time.Duration) error // of tests
}

// Summary is how far asking came.
type Summary struct {
	// Total is the number of prompts, Known those that an earlier run asked, Asked those of this run.
	Total, Known, Asked int
	// Scored are those, of both runs, whose answers were compared, and Open those whose answers cannot be.
	Scored, Open int
	// Refused are prompts that the daemon did not answer, or not in time, and Last is the last such error. The next run
	// asks them again.
	Refused int
	Last    error
}

// outcome is a line of the file of outcomes. What was not scored is written as an unsure example, which a calibration
// passes over.
type outcome struct {
	Key   string `json:"key"`
	Model string `json:"model"`
	train.Example
	Reference      string `json:"reference,omitempty"`
	WeakAnswer     string `json:"weak_answer"`
	StrongAnswer   string `json:"strong_answer"`
	WhyNotCompared string `json:"not_compared,omitempty"`
}

// Run asks both variants the prompts that are not in the file of outcomes yet. It goes on when the daemon refuses a
// prompt, and ends when it cannot be reached, refuses the key or the model, or ctx ends; then what was asked so far is
// in the file, and the same call goes on.
func Run(ctx context.Context, prompts []*Prompt, o Options) (Summary, error) {
	r := &run{o: &o, summary: Summary{Total: len(prompts)}}
	if r.o.sleep == nil {
		r.o.sleep = sleep
	}
	file, err := openOutcomes(o.Outcomes, o.Model)
	if err != nil {
		return r.summary, err
	}
	defer file.close()
	r.file = file
	r.client = &client{http: &http.Client{Transport: transport(o.Concurrency)}, o: &o, sleep: r.o.sleep}
	defer r.client.http.CloseIdleConnections()
	group, all := errgroup.WithContext(ctx)
	group.SetLimit(max(o.Concurrency, 1))
	for i, p := range prompts {
		if scored, known := file.known[p.Key]; known {
			r.count(func(s *Summary) { s.Known++; s.tally(scored) })
			continue
		}
		if all.Err() != nil {
			break
		}
		group.Go(func() error { return r.one(all, p, i%2 == 1) })
	}
	err = group.Wait()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return r.summary, err
}

func transport(connections int) *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: max(connections, 1)}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run is one call of Run.
type run struct {
	o      *Options
	client *client
	file   *outcomes

	mu      sync.Mutex
	summary Summary
}

func (s *Summary) tally(scored bool) {
	if scored {
		s.Scored++
	} else {
		s.Open++
	}
}

func (r *run) count(change func(*Summary)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.summary)
	if r.o.Progress != nil {
		r.o.Progress(r.summary)
	}
}

// one asks both variants a prompt. Which of them goes first changes, so that neither always finds the pictures fetched
// and decoded.
func (r *run) one(ctx context.Context, p *Prompt, thinkingFirst bool) error {
	var answers [2]*reply // direct, thinking
	order := []int{0, 1}
	if thinkingFirst {
		order = []int{1, 0}
	}
	for _, which := range order {
		answer, err := r.client.ask(ctx, r.o.Model+[]string{"-instruct", "-thinking"}[which], p)
		switch {
		case err == nil:
			answers[which] = answer
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case refused(err):
			r.count(func(s *Summary) { s.Refused++; s.Last = fmt.Errorf("%q: %w", short(p.Text), err) })
			return nil
		default:
			return fmt.Errorf("ask %s: %w", r.o.URL, err)
		}
	}
	line := r.outcome(p, answers[0], answers[1])
	if err := r.file.append(line); err != nil {
		return err
	}
	r.count(func(s *Summary) { s.Asked++; s.tally(line.Weak != nil) })
	return nil
}

func short(text string) string {
	const bound = 60
	runes := []rune(text)
	return string(runes[:min(len(runes), bound)])
}

// outcome compares the answers.
func (r *run) outcome(p *Prompt, direct, thinking *reply) *outcome {
	line := &outcome{
		Key: p.Key, Model: r.o.Model, Reference: p.Answer, WeakAnswer: direct.String(), StrongAnswer: thinking.String(),
		Example: train.Example{
			Text: p.Text, Image: p.Images > 0, Images: p.Images, Lang: p.Lang, Source: p.Source, Kind: p.Kind,
			Tools: p.tools(), Schema: p.schema(),
			Tokens: thinking.tokens, WeakTokens: direct.tokens, WeakSeconds: direct.seconds, StrongSeconds: thinking.seconds,
		},
	}
	weak, strong, ok := 0.0, 1.0, false
	switch {
	case p.Answer != "":
		weak, ok = score(direct, p.Answer)
		strong, _ = score(thinking, p.Answer)
		line.WhyNotCompared = "the reference answer is too long to compare with"
	case thinking.cut:
		line.WhyNotCompared = "the thinking answer was cut off"
	default:
		weak, ok = agreement(direct, thinking)
		line.WhyNotCompared = "an open answer"
	}
	if ok {
		line.Weak, line.Strong, line.WhyNotCompared = &weak, &strong, ""
	} else {
		line.Label = train.LabelUnsure
	}
	return line
}

func (r *reply) String() string {
	out := r.text
	for _, c := range r.calls {
		out += "\n" + c
	}
	return out
}

func (l *outcome) marshal() ([]byte, error) {
	data, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("write an outcome: %w", err)
	}
	return append(data, '\n'), nil
}
