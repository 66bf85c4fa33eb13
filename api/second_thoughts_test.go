package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/anthropic"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/escalation"
)

// decided is a router that has decided.
type decided router.Decision

func (d decided) Decide(*router.Input) (router.Decision, error) { return router.Decision(d), nil }

func (d decided) DecideAt(_ *router.Input, qualities []float64) ([]router.Decision, error) {
	return slices.Repeat([]router.Decision{router.Decision(d)}, len(qualities)), nil
}

// uncertain leans to v.
func uncertain(v router.Variant) decided {
	d := decided{Variant: v, Source: router.SourceRouter, Uncertain: true, EscalationBudget: 512, Mode: router.Mode{Variant: v}, Options: 4}
	if v == router.Thinking {
		d.ThinkingBudget, d.EscalationBudget = 512, 0
	}
	return d
}

// beginning is an answer whose first token has the probabilities that come in pairs with texts.
func beginning(pairs ...any) []engine.Event {
	token := engine.Token{ID: 1, Bytes: []byte(pairs[0].(string)), Logprob: math.Log(pairs[1].(float64))}
	for i := 0; i < len(pairs); i += 2 {
		token.Top = append(token.Top, engine.TopToken{ID: int32(i), Bytes: []byte(pairs[i].(string)), Logprob: math.Log(pairs[i+1].(float64))})
	}
	return append([]engine.Event{{Text: pairs[0].(string), Tokens: []engine.Token{token}}}, text(" it is")...)
}

func lookAtAll(d Decider) func(*Config) {
	return func(c *Config) {
		c.Router, c.SecondLook = d, SecondLook{Share: 1, Limits: escalation.Thresholds{Tokens: 1, Margin: 0.3, Entropy: 0.5}}
	}
}

type routedReply struct {
	Model   string
	Choices []struct {
		Message      struct{ Content, ReasoningContent string }
		FinishReason string `json:"finish_reason"`
		Logprobs     *wireLogprobs
	}
	Usage   usage
	Routing routing
}

func TestADoubtfulFirstTokenGoesToThinking(t *testing.T) {
	sure := func() []engine.Event { return beginning("Red", 0.9, "Blue", 0.1) }
	wavering := func() []engine.Event { return beginning("Red", 0.5, "Blue", 0.45) }
	option := func() []engine.Event { return beginning("B", 0.95, "C", 0.05) }
	options := func() []engine.Event { return beginning("B", 0.6, "C", 0.4) }
	for name, c := range map[string]struct {
		decision router.Variant
		events   func() []engine.Event
		want     string
		reason   string
		thought  int // requests that thinking got
	}{
		"instruct is sure": {router.Instruct, sure, "Red it is", "second look: the beginning is clear", 0},
		"instruct wavers":  {router.Instruct, wavering, "42", "second look: token 1 is a close call", 1},
		"thinking was chosen, one option is certain": {router.Thinking, option, "B it is", "second look: the beginning is clear", 0},
		"thinking was chosen, options are likely":    {router.Thinking, options, "42", "second look: no option is certain", 1},
		"thinking was chosen, no option comes first": {router.Thinking, sure, "42", "second look: no option is certain", 1},
		"instruct says nothing":                      {router.Instruct, func() []engine.Event { return text() }, "42", "second look: there is no answer", 1},
	} {
		for _, stream := range []bool{false, true} {
			s := newSite(t, lookAtAll(uncertain(c.decision)))
			s.instruct.Events = c.events()
			r := s.ask(map[string]any{"stream": stream})
			content, reasons := "", []string{}
			if stream {
				for _, chunk := range r.chunks(t) {
					if chunk.Choices[0].Delta.Content != nil {
						content += *chunk.Choices[0].Delta.Content
					}
					if chunk.Routing != nil {
						reasons = chunk.Routing.Reasons
					}
				}
			} else {
				var got routedReply
				r.json(t, &got)
				content, reasons = got.Choices[0].Message.Content, got.Routing.Reasons
			}
			if content != c.want || !slices.Contains(reasons, c.reason) {
				t.Errorf("%s, stream %v: %q because of %q", name, stream, content, reasons)
			}
			if n := len(s.thinking.Asked()); n != c.thought {
				t.Errorf("%s, stream %v: thinking was asked %d times", name, stream, n)
			}
			variant := "instruct"
			if c.thought > 0 {
				variant = "thinking"
			}
			if got := r.header.Get(surface.HeaderVariant); got != variant {
				t.Errorf("%s, stream %v: header says %s", name, stream, got)
			}
			if n := s.instruct.Open() + s.thinking.Open(); n != 0 {
				t.Errorf("%s, stream %v: %d streams are open", name, stream, n)
			}
		}
	}
}

func TestSeveralTokensCanBeLookedAt(t *testing.T) {
	for tokens, want := range map[int]string{1: "Red one it is", 2: "42", 9: "42"} {
		s := newSite(t, func(c *Config) {
			lookAtAll(uncertain(router.Instruct))(c)
			c.SecondLook.Limits.Tokens = tokens
		})
		s.instruct.Events = slices.Concat(beginning("Red", 0.9)[:1], beginning(" one", 0.5, " two", 0.45))
		var got routedReply
		s.ask(nil).json(t, &got)
		if got.Choices[0].Message.Content != want {
			t.Errorf("%d tokens: %+v", tokens, got)
		}
	}
}

func TestSecondLooksAreLeftOut(t *testing.T) {
	certain := uncertain(router.Instruct)
	certain.Uncertain = false
	plainThinking := uncertain(router.Thinking)
	plainThinking.Options = 0
	for name, c := range map[string]struct {
		decision decided
		more     map[string]any
		edit     func(*Config)
	}{
		"where the router is certain": {certain, nil, nil},
		"where the answer has a form": {uncertain(router.Instruct), map[string]any{
			"response_format": map[string]any{"type": "json_object"},
		}, nil},
		"where the client began the answer": {uncertain(router.Instruct), map[string]any{"messages": []any{
			map[string]any{"role": "user", "content": "hi"}, map[string]any{"role": "assistant", "content": "Well,"},
		}}, nil},
		"where thinking was chosen and no options are listed": {plainThinking, nil, nil},
		"where they are off": {uncertain(router.Instruct), nil, func(c *Config) { c.SecondLook.Share = 0 }},
	} {
		s := newSite(t, func(cfg *Config) {
			lookAtAll(c.decision)(cfg)
			if c.edit != nil {
				c.edit(cfg)
			}
		})
		s.instruct.Events = beginning("{}", 0.5, "[]", 0.5)
		if r := s.ask(c.more); r.status != http.StatusOK || r.header.Get(surface.HeaderVariant) != string(c.decision.Variant) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		for _, asked := range append(s.instruct.Asked(), s.thinking.Asked()...) {
			if asked.FirstTop != 0 {
				t.Errorf("%s: first tokens were asked for", name)
			}
		}
	}
}

func TestASecondLookNeverFailsARequest(t *testing.T) {
	for name, c := range map[string]struct {
		decision router.Variant
		edit     func(*site)
		variant  string
	}{
		"thinking is not loaded": {router.Instruct, func(s *site) { s.thinking.Down = true }, "instruct"},
		"instruct is not loaded": {router.Thinking, func(s *site) { s.instruct.Down = true }, "thinking"},
		"instruct is full":       {router.Thinking, func(s *site) { s.instruct.Refuse = engine.ErrOverloaded }, "thinking"},
	} {
		s := newSite(t, lookAtAll(uncertain(c.decision)))
		s.instruct.Events = beginning("Red", 0.5, "Blue", 0.45)
		c.edit(s)
		s.known()
		if r := s.ask(nil); r.status != http.StatusOK || r.header.Get(surface.HeaderVariant) != c.variant {
			t.Errorf("%s: %d %s %s", name, r.status, r.header.Get(surface.HeaderVariant), r.body)
		}
	}
}

func TestClientsGetTheAlternativesTheyAskedFor(t *testing.T) {
	s := newSite(t, lookAtAll(uncertain(router.Instruct)))
	s.instruct.Events = beginning("Red", 0.8, "Blue", 0.1, "Green", 0.05)
	var got routedReply
	s.ask(map[string]any{"logprobs": true, "top_logprobs": 2}).json(t, &got)
	if l := got.Choices[0].Logprobs; l == nil || len(l.Content) == 0 || len(l.Content[0].TopLogprobs) != 2 {
		t.Errorf("%+v", got.Choices[0].Logprobs)
	}
}

func TestSecondLooksFetchPicturesOnce(t *testing.T) {
	s := newSite(t, lookAtAll(uncertain(router.Instruct)))
	s.instruct.Events = beginning("Red", 0.5, "Blue", 0.45)
	r := s.ask(map[string]any{"messages": []any{map[string]any{"role": "user", "content": []any{
		map[string]any{"type": "image_url", "image_url": map[string]any{"url": pngURI(t, 64, 64)}},
		map[string]any{"type": "text", "text": "which colour?"},
	}}}})
	if r.status != http.StatusOK || len(s.thinking.Asked()) != 1 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	a, b := s.instruct.Request(t).Images, s.thinking.Request(t).Images
	if len(a) != 1 || len(b) != 1 || &a[0].RGB[0] != &b[0].RGB[0] {
		t.Error("the picture was decoded twice")
	}
}

func rerunAll(c *Config) {
	c.Router, c.Rerun = decided{Variant: router.Instruct, Source: router.SourceRouter, EscalationBudget: 512}, Rerun{Share: 1, Causes: escalation.Causes()}
}

// cut is an answer that was cut by length.
func cut(s string) []engine.Event {
	out := text(s)
	out[1].Result.FinishReason = engine.FinishLength
	out[1].Result.Usage.CompletionTokens = 99
	return out
}

func TestPoorAnswersAreGivenAgain(t *testing.T) {
	schema := map[string]any{"response_format": map[string]any{"type": "json_schema", "json_schema": map[string]any{
		"name": "n", "schema": map[string]any{
			"type": "object", "properties": map[string]any{"n": map[string]any{"type": "integer"}}, "required": []any{"n"},
		},
	}}}
	good := text("a good one")
	for name, c := range map[string]struct {
		instruct, thinking []engine.Event
		more               map[string]any
		want, cause        string
	}{
		"a good answer stands":        {good, nil, nil, "a good one", ""},
		"cut":                         {cut("It is"), nil, nil, "42", "length"},
		"in a loop":                   {text(strings.Repeat("again and again ", 40)), nil, nil, "42", "loop"},
		"not of its form":             {text(`{"m":1}`), text("hm\n</think>\n\n", `{"n":1}`), schema, `{"n":1}`, "form"},
		"both are cut":                {cut("It is"), cut("hm\n</think>\n\nIt"), nil, "It is", ""},
		"streams are sent as they go": {cut("It is"), nil, map[string]any{"stream": true}, "It is", ""},
		"several answers are left":    {cut("It is"), nil, map[string]any{"n": 2}, "It is", ""},
	} {
		s := newSite(t, rerunAll)
		s.instruct.Events = c.instruct
		if c.thinking != nil {
			s.thinking.Events = c.thinking
		}
		r := s.ask(c.more)
		var got routedReply
		if c.more["stream"] == true {
			if !strings.Contains(string(r.body), c.want) || len(s.thinking.Asked()) > 0 {
				t.Errorf("%s: %s", name, r.body)
			}
			continue
		}
		r.json(t, &got)
		if r.status != http.StatusOK || got.Choices[0].Message.Content != c.want {
			t.Errorf("%s: %s", name, r.body)
			continue
		}
		again := slices.Contains(got.Routing.Reasons, "answered again: "+c.cause)
		if again != (c.cause != "") || again != (got.Routing.DiscardedTokens > 0) || again != (got.Model == "qwen3-vl-thinking") {
			t.Errorf("%s: %+v by %s", name, got.Routing, got.Model)
		}
	}
}

func TestUnlikelyAnswersAreGivenAgain(t *testing.T) {
	s := newSite(t, rerunAll)
	likely := func(logprob float64) []engine.Event {
		return append([]engine.Event{{Text: "x", Tokens: []engine.Token{{ID: 1, Bytes: []byte("x"), Logprob: logprob}}}}, text()...)
	}
	for i := range 120 {
		s.instruct.Events = likely(-0.1 - 0.0001*float64(120-i))
		if r := s.ask(nil); r.header.Get(surface.HeaderVariant) != "instruct" {
			t.Fatalf("answer %d: %s", i, r.body)
		}
	}
	if !s.instruct.Request(t).Logprobs {
		t.Error("no log-probabilities were asked for")
	}
	s.instruct.Events = likely(-3)
	if r := s.ask(nil); r.header.Get(surface.HeaderVariant) != "thinking" || !strings.Contains(string(r.body), "answered again: logprob") {
		t.Errorf("the unlikely one: %s", r.body)
	}
}

func TestAFailedRerunLeavesTheAnswer(t *testing.T) {
	for name, edit := range map[string]func(*enginetest.Fake){
		"refused": func(f *enginetest.Fake) { f.Refuse = engine.ErrOverloaded },
		"down":    func(f *enginetest.Fake) { f.Down = true },
		"dies":    func(f *enginetest.Fake) { f.Events, f.Fail = nil, engine.ErrWorkerDied },
	} {
		s := newSite(t, rerunAll)
		s.instruct.Events = cut("It is")
		edit(s.thinking)
		var got routedReply
		s.ask(nil).json(t, &got)
		if got.Choices[0].Message.Content != "It is" || got.Model != "qwen3-vl-instruct" || got.Routing.DiscardedTokens != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRerunsServeEveryEndpoint(t *testing.T) {
	for path, body := range map[string]map[string]any{
		"/v1/responses": {"model": "qwen3-vl", "input": "hi"},
		anthropic.Path: {
			"model": "qwen3-vl", "max_tokens": 1000, "messages": []any{map[string]any{"role": "user", "content": "hi"}},
		},
	} {
		s := newSite(t, rerunAll)
		s.instruct.Events = cut("It is")
		r := s.post(path, body)
		if r.status != http.StatusOK || !strings.Contains(string(r.body), `"42"`) || strings.Contains(string(r.body), "It is") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

func TestAnErrorOfInstructIsToldOnce(t *testing.T) {
	for name, edit := range map[string]func(*Config){"second look": lookAtAll(uncertain(router.Instruct)), "rerun": rerunAll} {
		s := newSite(t, edit)
		s.instruct.Refuse = engine.ErrOverloaded
		if r := s.ask(nil); r.status != http.StatusServiceUnavailable || len(s.thinking.Asked()) > 0 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		s = newSite(t, edit)
		s.instruct.Events, s.instruct.Fail = beginning("a", 0.9)[:1], errors.New("broken")
		if r := s.ask(nil); r.status != http.StatusInternalServerError {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

func TestStreamsTellAtTheirEndWhatClosedTheThinking(t *testing.T) {
	closed := text("hm", "\n</think>\n\n", "42")
	closed[len(closed)-1].Result.ThinkingClosedBy = "budget"
	last := map[string]string{
		"/v1/chat/completions": `"finish_reason":"stop"`, "/v1/responses": "response.completed", anthropic.Path: "message_delta",
	}
	for path, mark := range last {
		s := newSite(t, func(c *Config) { c.Router = uncertain(router.Thinking) })
		s.thinking.Events = closed
		body := map[string]any{"model": "qwen3-vl-thinking", "stream": true}
		if path == "/v1/responses" {
			body["input"] = "hi"
		} else {
			body["messages"], body["max_tokens"] = []any{map[string]any{"role": "user", "content": "hi"}}, 1000
		}
		found := false
		for _, e := range s.post(path, body).events(t) {
			if strings.Contains(e, mark) {
				found = strings.Contains(e, `"closed_by":"budget"`)
			}
		}
		if !found {
			t.Errorf("%s does not tell", path)
		}
	}
}

func TestWhoLeavesDuringSecondThoughtsFreesTheEngine(t *testing.T) {
	for name, edit := range map[string]func(*Config){"second look": lookAtAll(uncertain(router.Instruct)), "rerun": rerunAll} {
		s := newSite(t, edit)
		s.instruct.Hold, s.instruct.Closed = make(chan struct{}), make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions",
			strings.NewReader(`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		replied := make(chan bool, 1)
		go func() {
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			replied <- err == nil
		}()
		testkit.Eventually(t, name, func() bool { return s.instruct.Open() > 0 })
		leave()
		if <-replied {
			t.Errorf("%s: a reply came", name)
		}
		select {
		case <-s.instruct.Closed:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the engine goes on", name)
		}
		if n := len(s.thinking.Asked()); n > 0 {
			t.Errorf("%s: thinking was asked %d times", name, n)
		}
	}
}
