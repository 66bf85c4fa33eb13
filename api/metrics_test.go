package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/router"
)

// samples scrapes the site: each sample's value by its name and labels.
func (s *site) samples(headers ...string) map[string]float64 {
	s.t.Helper()
	got := s.get("/metrics", headers...)
	if got.status != http.StatusOK {
		s.t.Fatalf("%d %s", got.status, got.body)
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(got.body)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		out[strings.TrimPrefix(line[:at], "qwenvld_")] = v
	}
	return out
}

// counted waits until the samples are as wanted: a request is counted when its reply has been sent.
func (s *site) counted(want map[string]float64, headers ...string) {
	s.t.Helper()
	var wrong []string
	defer func() {
		if len(wrong) > 0 {
			s.t.Log(strings.Join(wrong, "\n"))
		}
	}()
	testkit.Eventually(s.t, "what was counted", func() bool {
		wrong = nil
		got := s.samples(headers...)
		for name, v := range want {
			if got[name] != v {
				wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", name, got[name], v))
			}
		}
		return wrong == nil
	})
}

// thought is an answer of a thinking model that took 5 tokens, 3 of them to think, after a prompt of 20.
func thought(closedBy string, end engine.FinishReason) []engine.Event {
	return []engine.Event{{Text: "hm"}, {Text: "\n</think>\n\n"}, {Text: "42"}, {Result: &engine.Result{
		FinishReason: end, ThinkingClosedBy: closedBy, Usage: engine.Usage{
			PromptTokens: 20, CachedTokens: 6, ImageTokens: 8, VideoTokens: 4, CompletionTokens: 5, ReasoningTokens: 3,
		},
	}}}
}

// plain are the events of a text that was cut.
func plain() []engine.Event {
	return []engine.Event{{Text: "hm"}, {Text: "42"}, {Result: &engine.Result{FinishReason: engine.FinishLength, Usage: engine.Usage{
		PromptTokens: 20, CachedTokens: 6, ImageTokens: 8, VideoTokens: 4, CompletionTokens: 5,
	}}}}
}

func TestWhateverGeneratesIsMeasured(t *testing.T) {
	const question = `[{"role":"user","content":"hi"}]`
	cases := map[string]struct{ path, body string }{
		"chat":                 {"/v1/chat/completions", `"messages":` + question},
		"chat stream":          {"/v1/chat/completions", `"stream":true,"messages":` + question},
		"completion":           {"/v1/completions", `"prompt":"hi"`},
		"completion stream":    {"/v1/completions", `"stream":true,"prompt":"hi"`},
		"messages":             {"/v1/messages", `"max_tokens":2000,"messages":` + question},
		"messages stream":      {"/v1/messages", `"stream":true,"max_tokens":2000,"messages":` + question},
		"response":             {"/v1/responses", `"input":"hi"`},
		"response stream":      {"/v1/responses", `"stream":true,"input":"hi"`},
		"in the background":    {"/v1/responses", `"background":true,"input":"hi"`},
		"streamed and keeping": {"/v1/responses", `"background":true,"stream":true,"input":"hi"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			s.thinking.Events = thought("budget", engine.FinishLength)
			thoughts := 1.0
			if tc.path == textPath { // texts are continued without any
				s.thinking.Events, thoughts = plain(), 0
			}
			if got := s.post(tc.path, `{"model":"qwen3-vl-thinking",`+tc.body+`}`); got.status != http.StatusOK {
				t.Fatalf("%d %s", got.status, got.body)
			}
			at := `{endpoint="` + tc.path + `",`
			s.counted(map[string]float64{
				`http_requests_total` + at + `status="200"}`:                         1,
				`http_request_duration_seconds_count{endpoint="` + tc.path + `"}`:    1,
				`generations_total` + at + `outcome="completed",variant="thinking"}`: 1,
				`generations_in_flight{variant="thinking"}`:                          0,
				`requests_in_flight`: 0,
				`generation_duration_seconds_count` + at + `variant="thinking"}`: 1,
				`time_to_first_token_seconds_count` + at + `variant="thinking"}`: 1,
				`time_to_answer_seconds_count` + at + `variant="thinking"}`:      1,
				`time_per_token_seconds_count` + at + `variant="thinking"}`:      1,
				`answers_total{finish_reason="length",variant="thinking"}`:       1,
				`thinking_blocks_total{closed_by="budget"}`:                      thoughts,
				`thinking_block_tokens_sum`:                                      3 * thoughts,
				`prompt_tokens_total{kind="text",variant="thinking"}`:            8,
				`prompt_tokens_total{kind="image",variant="thinking"}`:           8,
				`prompt_tokens_total{kind="video",variant="thinking"}`:           4,
				`cached_prompt_tokens_total{variant="thinking"}`:                 6,
				`completion_tokens_total{kind="answer",variant="thinking"}`:      5 - 3*thoughts,
				`completion_tokens_total{kind="reasoning",variant="thinking"}`:   3 * thoughts,
				`abandoned_tokens_total{variant="thinking"}`:                     0,
			})
		})
	}
}

func TestPromptsOfSeveralAnswersCountOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		path, body      string
		prompt, answers float64
	}{
		"chat":        {"/v1/chat/completions", `"n":3,"messages":[{"role":"user","content":"hi"}]`, 7, 3},
		"completions": {"/v1/completions", `"n":2,"prompt":["a","b"]`, 14, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			if got := s.post(tc.path, `{"model":"qwen3-vl-instruct",`+tc.body+`}`); got.status != http.StatusOK {
				t.Fatalf("%d %s", got.status, got.body)
			}
			at := `{endpoint="` + tc.path + `",`
			s.counted(map[string]float64{
				`prompt_tokens_total{kind="text",variant="instruct"}`:                tc.prompt,
				`answers_total{finish_reason="stop",variant="instruct"}`:             tc.answers,
				`generations_total` + at + `outcome="completed",variant="instruct"}`: 1,
				`time_to_first_token_seconds_count` + at + `variant="instruct"}`:     1,
				`time_to_answer_seconds_count` + at + `variant="instruct"}`:          1,
				`time_per_token_seconds_count` + at + `variant="instruct"}`:          tc.answers,
				`generation_duration_seconds_count` + at + `variant="instruct"}`:     1,
			})
		})
	}
}

func TestFailuresAreCountedByTheirCode(t *testing.T) {
	key, hash := access.NewKey()
	refuse := func(err error) func(*site) { return func(s *site) { s.instruct.Refuse = err } }
	broken := func(s *site) {
		s.instruct.Events, s.instruct.Fail = []engine.Event{{Text: "a"}, {Text: "b"}}, engine.ErrWorkerDied
	}
	const path, ask = "/v1/chat/completions", `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}]`
	cases := map[string]struct {
		prepare          func(*site)
		path, body       string
		headers          []string
		endpoint, status string
		code             string
		failed, tokens   float64
	}{
		"engine full":       {refuse(engine.ErrOverloaded), path, ask + `}`, nil, path, "503", fault.CodeOverloaded, 1, 0},
		"too long":          {refuse(&engine.ContextLengthError{}), path, ask + `}`, nil, path, "400", fault.CodeContextLength, 1, 0},
		"worker died":       {broken, path, ask + `}`, nil, path, "500", diedCode(), 1, 2},
		"died in a stream":  {broken, path, ask + `,"stream":true}`, nil, path, "500", diedCode(), 1, 2},
		"died in a message": {broken, "/v1/messages", ask + `,"max_tokens":9,"stream":true}`, nil, "/v1/messages", "500", diedCode(), 1, 2},
		"died in a response": {
			broken, "/v1/responses", `{"model":"qwen3-vl-instruct","input":"hi","stream":true}`, nil, "/v1/responses", "500", diedCode(), 1, 2,
		},
		"died in the background": {
			broken, "/v1/responses", `{"model":"qwen3-vl-instruct","input":"hi","background":true}`, nil, "/v1/responses", "200", diedCode(), 1, 2,
		},
		"draining":     {func(s *site) { s.server.Drain() }, path, ask + `}`, nil, path, "503", fault.CodeShuttingDown, 0, 0},
		"bad field":    {nil, path, ask + `,"zebra":1}`, nil, path, "400", fault.CodeUnknown, 0, 0},
		"no model":     {nil, path, `{"model":"zebra","messages":[{"role":"user","content":"hi"}]}`, nil, path, "404", fault.CodeModelNotFound, 0, 0},
		"no such path": {nil, "/zebra/7", `{}`, nil, "none", "404", fault.CodeNotFound, 0, 0},
		"no such way":  {nil, "/health/live", `{}`, nil, "none", "405", fault.CodeMethod, 0, 0},
		"no key":       {nil, path, ask + `}`, []string{"X-Api-Key", "zebra"}, "none", "401", fault.CodeInvalidKey, 0, 0},
		"no more":      {nil, path, ask + `}`, []string{"X-Api-Key", key}, path, "429", fault.CodeRateLimit, 0, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *Config) {
				numbered(c)
				if tc.headers != nil {
					c.Keys = []access.Key{{Name: "zebra", Hash: hash, RequestsPerMinute: 1}}
				}
			})
			auth := []string{"X-Api-Key", key}
			if tc.status == "429" {
				s.post(path, ask+`}`, auth...)
			}
			if tc.prepare != nil {
				tc.prepare(s)
			}
			s.post(tc.path, tc.body, tc.headers...)
			s.counted(map[string]float64{
				fmt.Sprintf(`http_requests_total{endpoint=%q,status=%q}`, tc.endpoint, tc.status):              1,
				fmt.Sprintf(`errors_total{code=%q}`, tc.code):                                                  1,
				fmt.Sprintf(`generations_total{endpoint=%q,outcome="failed",variant="instruct"}`, tc.endpoint): tc.failed,
				fmt.Sprintf(`generation_duration_seconds_count{endpoint=%q,variant="instruct"}`, tc.endpoint):  boolean(tc.status == "429"),
				`abandoned_tokens_total{variant="instruct"}`:                                                   tc.tokens,
				`requests_in_flight`: 0,
			}, auth...)
		})
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func TestRequestsThatTheirClientsGaveUpAreCancelled(t *testing.T) {
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprintf("stream %t", stream), func(t *testing.T) {
			s := newSite(t, nil)
			s.instruct.Hold = make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			body := fmt.Sprintf(`{"model":"qwen3-vl-instruct","stream":%t,"messages":[{"role":"user","content":"hi"}]}`, stream)
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			left := make(chan struct{})
			go func() {
				defer close(left)
				if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}()
			s.instruct.Hold <- struct{}{}
			s.counted(map[string]float64{
				`generations_in_flight{variant="instruct"}`: 1, `requests_in_flight`: 1,
				`time_to_first_token_seconds_count{endpoint="/v1/chat/completions",variant="instruct"}`: 1, // its one token is there
			})
			cancel()
			<-left
			s.counted(map[string]float64{
				`generations_in_flight{variant="instruct"}`: 0,
				`requests_in_flight`:                        0,
				`generations_total{endpoint="/v1/chat/completions",outcome="cancelled",variant="instruct"}`: 1,
				`http_requests_total{endpoint="/v1/chat/completions",status="499"}`:                         1,
				`errors_total{code="client_closed_request"}`:                                                1,
				`abandoned_tokens_total{variant="instruct"}`:                                                1,
				`time_to_first_token_seconds_count{endpoint="/v1/chat/completions",variant="instruct"}`:     1,
				`generation_duration_seconds_count{endpoint="/v1/chat/completions",variant="instruct"}`:     0,
				`http_request_duration_seconds_count{endpoint="/v1/chat/completions"}`:                      1,
				`completion_tokens_total{kind="answer",variant="instruct"}`:                                 0,
				`generations_total{endpoint="/v1/chat/completions",outcome="failed",variant="instruct"}`:    0,
				`time_per_token_seconds_count{endpoint="/v1/chat/completions",variant="instruct"}`:          0,
			})
		})
	}
	t.Run("in the background", func(t *testing.T) {
		s := newSite(t, numbered)
		s.instruct.Hold = make(chan struct{}, 1)
		s.instruct.Hold <- struct{}{}
		queued := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "background": true}).response(t)
		s.counted(map[string]float64{`generations_in_flight{variant="instruct"}`: 1, `requests_in_flight`: 1})
		s.call(http.MethodPost, "/v1/responses/"+queued.ID+"/cancel")
		s.counted(map[string]float64{
			`generations_in_flight{variant="instruct"}`: 0,
			`requests_in_flight`:                        0,
			`generations_total{endpoint="/v1/responses",outcome="cancelled",variant="instruct"}`: 1,
			`errors_total{code="client_closed_request"}`:                                         1,
		})
	})
}

func TestDecisionsAreCountedByWhoWhyAndAboutWhat(t *testing.T) {
	s := newSite(t, nil)
	const hard, easy = "Prove that sqrt(2) is irrational.", "Tell me a short story about a friendly dog and a cat."
	for _, text := range []string{easy, hard, easy, easy} {
		s.post("/v1/chat/completions", `{"model":"auto","messages":[{"role":"user","content":"`+text+`"}]}`, "X-Session-Id", "a")
	}
	s.counted(map[string]float64{
		`decisions_total{kind="math",source="router",variant="thinking"}`:    1,
		`decisions_total{kind="writing",source="router",variant="thinking"}`: 1,
		`decisions_total{kind="writing",source="router",variant="instruct"}`: 2,
		`decision_reasons_total{reason="prompt",variant="thinking"}`:         2,
		`decision_reasons_total{reason="conversation",variant="thinking"}`:   1,
		`decision_reasons_total{reason="prompt",variant="instruct"}`:         2,
		`escalations_total{cause="turn",to="thinking"}`:                      1,
		`escalations_total{cause="turn",to="instruct"}`:                      1,
		`escalations_total{cause="client",to="thinking"}`:                    0,
		`router_decision_duration_seconds_count`:                             4,
	})
	before := s.samples()
	s.post("/v1/chat/completions", `{"model":"auto","messages":[{"role":"user","content":"think hard: `+easy+`"}]}`, "X-Session-Id", "a")
	s.post("/v1/chat/completions", `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}]}`, "X-Session-Id", "a")
	// Who only asks what would happen is not answered.
	s.post("/v1/route", `{"model":"auto","messages":[{"role":"user","content":"`+hard+`"}]}`)
	s.post("/tokenize", `{"model":"auto","messages":[{"role":"user","content":"`+hard+`"}]}`)
	s.counted(map[string]float64{
		`decision_reasons_total{reason="phrase",variant="thinking"}`:      1,
		`decision_reasons_total{reason="control",variant="instruct"}`:     1,
		`escalations_total{cause="client",to="thinking"}`:                 1,
		`escalations_total{cause="client",to="instruct"}`:                 1,
		`decisions_total{kind="math",source="router",variant="thinking"}`: 1,
		`router_decision_duration_seconds_count`:                          8,
	})
	gain := `expected_gain_total{variant="thinking"}`
	if now := s.samples()[gain]; !(before[gain] > 0.1 && before[gain] < 2 && now >= before[gain]) {
		t.Errorf("an expected gain of %v, then %v", before[gain], now)
	}
}

// oneFile is what every URL leads to.
type oneFile string

func (f oneFile) Fetch(context.Context, string) ([]byte, error) { return os.ReadFile(string(f)) }

func TestMediaAreCountedAndTimed(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Fetcher = oneFile("../multimodal/testdata/page.png") })
	if got := s.ask(photo(t, nil, "../multimodal/testdata/palette_color.png", "https://example.com/zebra.png")); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	s.counted(map[string]float64{
		`media_total{media="image"}`:                                2,
		`media_total{media="video"}`:                                0,
		`media_duration_seconds_count{media="image",step="decode"}`: 2,
		`media_duration_seconds_count{media="image",step="fetch"}`:  1,
	})
}

func TestMetricsNeedAKeyUnlessTheyArePublic(t *testing.T) {
	key, hash := access.NewKey()
	for name, tc := range map[string]struct {
		keys, public bool
		headers      []string
		status       int
	}{
		"no keys":           {false, false, nil, http.StatusOK},
		"keys, none sent":   {true, false, nil, http.StatusUnauthorized},
		"keys, a wrong one": {true, false, []string{"X-Api-Key", "sk-x"}, http.StatusUnauthorized},
		"keys, a bearer":    {true, false, []string{"Authorization", "Bearer " + key}, http.StatusOK},
		"public":            {true, true, nil, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *Config) {
				c.PublicMetrics = tc.public
				if tc.keys {
					c.Keys = []access.Key{{Name: "alice", Hash: hash}}
				}
			})
			got := s.get("/metrics", tc.headers...)
			if got.status != tc.status {
				t.Errorf("%d %s", got.status, got.body)
			}
			if tc.status == http.StatusOK && !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
				t.Errorf("%s", got.header.Get("Content-Type"))
			}
			// What is public is this page only.
			if got := s.get("/v1/models"); tc.keys && got.status != http.StatusUnauthorized {
				t.Errorf("models: %d", got.status)
			}
		})
	}
}

// Whatever a client writes, nothing of it comes to stand in the metrics.
func TestMetricsHoldNothingOfTheClients(t *testing.T) {
	key, hash := access.NewKey()
	s := newSite(t, func(c *Config) { c.Keys = []access.Key{{Name: "zebra", Hash: hash}} })
	auth := []string{"Authorization", "Bearer " + key}
	headers := append([]string{"X-Request-Id", "zebra", "X-Session-Id", "zebra", "User-Agent", "zebra"}, auth...)
	for _, text := range []string{
		"zebra", "Prove that the zebra $\\\\zebra$ is irrational, zebra by zebra, step by step.", "Solve $\\\\int zebra\\\\,dx$ = zebra for zebra.",
		"/no_think zebra", "zebra {zebra=\\\"zebra\\\"}\\nzebra 1", "asked for: zebra", "overridden: zebra", "unavailable: zebra",
	} {
		body := `"messages":[{"role":"user","content":"` + text + `"}],"user":"zebra","stop":"zebra","max_tokens":1000}`
		for _, model := range []string{"auto", "zebra", "qwen3-vl-thinking", "auto:quality=zebra"} {
			s.post("/v1/chat/completions", `{"model":"`+model+`",`+body, headers...)
		}
		s.post("/v1/chat/completions", `{"model":"auto","zebra":"zebra",`+body, headers...)
		s.post("/v1/chat/completions", `{"model":"auto","reasoning_effort":"zebra",`+body, headers...)
		s.post("/v1/route", `{"model":"auto",`+body, append(headers, "X-Qwenvld-Route", "zebra")...)
	}
	s.ask(photo(t, nil, "https://zebra.example/zebra.png"))
	s.post("/zebra?zebra=zebra", "zebra", headers...)
	s.post("/v1/models/zebra", "zebra", headers...)
	s.get("/v1/models/zebra", headers...)
	s.get("/v1/responses/zebra", headers...)
	s.send("ZEBRA", "/v1/models", headers...)
	s.send("ZEBRA", "/zebra", headers...)
	s.counted(map[string]float64{
		`http_requests_total{endpoint="/v1/models/{model}",status="404"}`: 1,
		`http_requests_total{endpoint="/v1/responses/{id}",status="404"}`: 1,
		`decision_reasons_total{reason="phrase",variant="thinking"}`:      1,
		`errors_total{code="model_not_found"}`:                            9,
	}, auth...)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", http.NoBody)
	req.Header.Set("Authorization", auth[1])
	page := string(s.do(req).body)
	if i := strings.Index(strings.ToLower(page), "zebra"); i >= 0 {
		t.Errorf("...%s...", page[max(0, i-100):min(len(page), i+100)])
	}
	// All label values are words of ours.
	for _, m := range regexp.MustCompile(`[{,]([a-z_]+)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !regexp.MustCompile(`^[A-Za-z0-9_.+/{} -]*$`).MatchString(m[2]) || len(m[2]) > 40 {
			t.Errorf("label %s has the value %q", m[1], m[2])
		}
	}
}

func TestTheFormatIsPrometheus(t *testing.T) {
	s := newSite(t, nil)
	s.post("/v1/chat/completions", hello)
	want := `# HELP qwenvld_answers_total Answers that were completed, by why they ended.
# TYPE qwenvld_answers_total counter
qwenvld_answers_total{finish_reason="length",variant="instruct"} 0
qwenvld_answers_total{finish_reason="length",variant="thinking"} 0
qwenvld_answers_total{finish_reason="repetition",variant="instruct"} 0
qwenvld_answers_total{finish_reason="repetition",variant="thinking"} 0
qwenvld_answers_total{finish_reason="stop",variant="instruct"} 1
qwenvld_answers_total{finish_reason="stop",variant="thinking"} 0
`
	if err := testutil.ScrapeAndCompare(s.url+"/metrics", strings.NewReader(want), "qwenvld_answers_total"); err != nil {
		t.Error(err)
	}
}

func TestSecondThoughtsAreCounted(t *testing.T) {
	const at = `{endpoint="/v1/chat/completions",`
	instruct, thinking := uncertain(router.Instruct), uncertain(router.Thinking)
	for name, tc := range map[string]struct {
		edit   func(*Config)
		begin  []engine.Event
		stream bool
		want   map[string]float64
	}{
		"a doubtful beginning": {lookAtAll(instruct), beginning("Red", 0.5, "Blue", 0.45), true, map[string]float64{
			`escalations_total{cause="second_look",to="thinking"}`:               1,
			`generations_total` + at + `outcome="completed",variant="thinking"}`: 1,
			`decisions_total{kind="",source="router",variant="instruct"}`:        1,
			`uncertain_decisions_total{variant="instruct"}`:                      1,
			`abandoned_tokens_total{variant="instruct"}`:                         1,
			`time_per_token_seconds_count` + at + `variant="thinking"}`:          1,
			`completion_tokens_total{kind="answer",variant="instruct"}`:          0,
			`generations_total` + at + `outcome="completed",variant="instruct"}`: 0,
			`time_to_answer_seconds_count` + at + `variant="thinking"}`:          1,
			`generations_in_flight{variant="instruct"}`:                          0,
			`generations_in_flight{variant="thinking"}`:                          0,
			`prompt_tokens_total{kind="text",variant="thinking"}`:                7,
			`prompt_tokens_total{kind="text",variant="instruct"}`:                0,
		}},
		"a certain option": {lookAtAll(thinking), beginning("B", 0.95, "C", 0.05), true, map[string]float64{
			`escalations_total{cause="second_look",to="instruct"}`:               1,
			`generations_total` + at + `outcome="completed",variant="instruct"}`: 1,
			`decisions_total{kind="",source="router",variant="thinking"}`:        1,
		}},
		"a clear beginning": {lookAtAll(instruct), beginning("Red", 0.9, "Blue", 0.1), true, map[string]float64{
			`escalations_total{cause="second_look",to="thinking"}`:               0,
			`generations_total` + at + `outcome="completed",variant="instruct"}`: 1,
			`abandoned_tokens_total{variant="instruct"}`:                         0,
		}},
		"a cut answer": {rerunAll, cut("It is"), false, map[string]float64{
			`escalations_total{cause="rerun",to="thinking"}`:                     1,
			`generations_total` + at + `outcome="completed",variant="thinking"}`: 1,
			`abandoned_tokens_total{variant="instruct"}`:                         99,
			`generation_duration_seconds_count` + at + `variant="thinking"}`:     1,
			`time_per_token_seconds_count` + at + `variant="thinking"}`:          0,
		}},
		"a good answer": {rerunAll, text("a good one"), false, map[string]float64{
			`escalations_total{cause="rerun",to="thinking"}`:                     0,
			`generations_total` + at + `outcome="completed",variant="instruct"}`: 1,
			`abandoned_tokens_total{variant="instruct"}`:                         0,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, tc.edit)
			s.instruct.Events = tc.begin
			if got := s.ask(map[string]any{"stream": tc.stream}); got.status != http.StatusOK {
				t.Fatalf("%d %s", got.status, got.body)
			}
			s.counted(tc.want)
		})
	}
}
