package request

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine/constraint/constrainttest"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/router"
)

// decode reads a body of these members by the common tables, under a policy of its own unless one is given. Messages are somebody else's.
func decode(members string, policy *Policy, messages ...Message) (*Request, error) {
	if policy == nil {
		policy = &Policy{Limits: DefaultLimits(), Unknown: &Unknown{}}
	}
	body, err := policy.Parse([]byte("{" + members + "}"))
	if err != nil {
		return nil, err
	}
	b := policy.NewBuilder("messages")
	b.Request.Messages = messages
	Read(b, body, Common(), "messages")
	if err := b.Failure(); err != nil {
		return nil, err
	}
	return b.Request, b.Finish()
}

func TestMembersSayHowToAnswer(t *testing.T) {
	for members, check := range map[string]func(r *Request) bool{
		``: func(r *Request) bool {
			return r.MaxTokens == nil && r.Answers() == 1 && !r.Constrained() && !r.MayRepeat
		},
		`"model":"m","n":3,"stream":true`:                  func(r *Request) bool { return r.Model == "m" && r.Answers() == 3 && r.Stream },
		`"max_tokens":5`:                                   func(r *Request) bool { return *r.MaxTokens == 5 },
		`"max_tokens":5,"max_completion_tokens":5.0`:       func(r *Request) bool { return *r.MaxTokens == 5 },
		`"max_tokens":-1`:                                  func(r *Request) bool { return r.MaxTokens == nil },
		`"stop":["a","","b"]`:                              func(r *Request) bool { return cmp.Equal(r.Stop, []string{"a", "b"}) },
		`"stop":"a"`:                                       func(r *Request) bool { return cmp.Equal(r.Stop, []string{"a"}) },
		`"stream_options":{"include_usage":true}`:          func(r *Request) bool { return r.IncludeUsage && !r.RunningUsage },
		`"stream_options":{"continuous_usage_stats":true}`: func(r *Request) bool { return r.IncludeUsage && r.RunningUsage },
		`"usage":{"include":true}`:                         func(r *Request) bool { return r.IncludeUsage },
		`"logprobs":true,"top_logprobs":3`:                 func(r *Request) bool { return r.Logprobs && r.TopLogprobs == 3 },
		`"temperature":2,"top_k":-1,"min_p":0.5`: func(r *Request) bool {
			return *r.Sampling.Temperature == 2 && *r.Sampling.TopK == 0 && *r.Sampling.MinP == 0.5
		},
		`"top_p":0,"temperature":1`:                       func(r *Request) bool { return r.Sampling.TopP == nil && *r.Sampling.Temperature == 0 },
		`"seed":-9223372036854775808`:                     func(r *Request) bool { return *r.Sampling.Seed == -1<<63 },
		`"repeat_penalty":1.5,"repetition_penalty":1.5`:   func(r *Request) bool { return *r.Sampling.RepetitionPenalty == 1.5 },
		`"logit_bias":{"7":-1,"8":2}`:                     func(r *Request) bool { return cmp.Equal(r.Sampling.LogitBias, map[int32]float64{7: -1, 8: 2}) },
		`"logit_bias":{}`:                                 func(r *Request) bool { return r.Sampling.LogitBias == nil },
		`"prediction":{"type":"content","content":"a b"}`: func(r *Request) bool { return r.Prediction == "a b" },
		`"prediction":{"type":"content","content":[{"type":"text","text":"a"},{"text":" b"}]}`: func(r *Request) bool {
			return r.Prediction == "a b"
		},
		`"repetition_detection":false`:                  func(r *Request) bool { return r.MayRepeat },
		`"separate_reasoning":false`:                    func(r *Request) bool { return r.MergeReasoning },
		`"reasoning_format":"raw"`:                      func(r *Request) bool { return r.MergeReasoning },
		`"reasoning_format":"hidden"`:                   func(r *Request) bool { return r.HideReasoning },
		`"include_reasoning":false`:                     func(r *Request) bool { return r.HideReasoning },
		`"reasoning":{"exclude":true,"effort":"low"}`:   func(r *Request) bool { return r.HideReasoning && r.Controls.Effort == router.EffortLow },
		`"reasoning":{"enabled":false,"max_tokens":9}`:  func(r *Request) bool { return !*r.Controls.EnableThinking && *r.Controls.ThinkingBudget == 9 },
		`"reasoning_effort":"max"`:                      func(r *Request) bool { return r.Controls.Effort == router.EffortXHigh },
		`"reasoning_effort":"auto"`:                     func(r *Request) bool { return r.Controls.Effort == "" },
		`"chat_template_kwargs":{"thinking":true}`:      func(r *Request) bool { return *r.Controls.EnableThinking },
		`"chat_template_kwargs":{"add_vision_id":true}`: func(r *Request) bool { return r.VisionID && r.Controls.EnableThinking == nil },
		`"thinking":{"type":"enabled","budget_tokens":9}`: func(r *Request) bool {
			return r.Controls.Thinking == router.ThinkingEnabled && *r.Controls.BudgetTokens == 9
		},
		`"thinking":{"type":"auto"}`:                                                                              func(r *Request) bool { return r.Controls.Thinking == router.ThinkingAdaptive },
		`"mm_processor_kwargs":{"min_pixels":1,"fps":"auto"}`:                                                     func(r *Request) bool { return *r.MinPixels == 1 && r.VideoDefaults.AutoFPS },
		`"media_io_kwargs":{"video":{"num_frames":-1}}`:                                                           func(r *Request) bool { return r.VideoDefaults.NumFrames == nil },
		`"tools":[{"type":"mcp","name":"x"},{"type":"mcp"}]`:                                                      func(r *Request) bool { return cmp.Equal(r.Skipped, []string{"mcp"}) && !r.ShowsTools() },
		`"tools":[{"type":"my_own","name":"x"}]`:                                                                  func(r *Request) bool { return cmp.Equal(r.Skipped, []string{"other"}) },
		`"user":"u","metadata":{},"not_known":null,"best_of":1,"echo":false,"min_tokens":0,"modalities":["text"]`: func(*Request) bool { return true },
	} {
		if req, err := decode(members, nil); err != nil || !check(req) {
			t.Errorf("%s: %+v, %v", members, req, err)
		}
	}
}

func TestFaultsOfMembersNameThem(t *testing.T) {
	const invalid, unsupported = fault.CodeInvalidValue, fault.CodeUnsupported
	for members, want := range map[string]struct{ code, param string }{
		`"model":""`: {invalid, "model"},
		`"n":0`:      {invalid, "n"},
		`"prediction":{"type":"other","content":"a"}`:                 {invalid, "prediction.type"},
		`"prediction":{"type":"content"}`:                             {invalid, "prediction.content"},
		`"prediction":{"type":"content","content":[{"type":"text"}]}`: {invalid, "prediction.content[0].text"},
		`"n":9`:          {invalid, "n"},
		`"max_tokens":0`: {invalid, "max_tokens"},
		`"max_tokens":1,"max_completion_tokens":2`:        {invalid, "max_completion_tokens"},
		`"temperature":2.1`:                               {invalid, "temperature"},
		`"temperature":"1"`:                               {invalid, "temperature"},
		`"repetition_penalty":0`:                          {invalid, "repetition_penalty"},
		`"repetition_penalty":1,"repeat_penalty":2`:       {invalid, "repeat_penalty"},
		`"top_logprobs":3`:                                {invalid, "top_logprobs"},
		`"top_logprobs":21,"logprobs":true`:               {invalid, "top_logprobs"},
		`"logit_bias":{"a":1}`:                            {invalid, "logit_bias"},
		`"logit_bias":{"-1":1}`:                           {invalid, "logit_bias"},
		`"logit_bias":{"1":101}`:                          {invalid, "logit_bias.1"},
		`"logit_bias":{"1":1,"01":1}`:                     {invalid, "logit_bias.1"},
		`"seed":9223372036854775808`:                      {invalid, "seed"},
		`"stop":["a","` + strings.Repeat("x", 513) + `"]`: {invalid, "stop[1]"},
		`"stop":[` + strings.Repeat(`"a",`, 16) + `"a"]`:  {invalid, "stop"},
		`"stream_options":{"include":true}`:               {fault.CodeUnknown, "stream_options.include"},
		`"enable_thinking":true,"chat_template_kwargs":{"enable_thinking":false}`: {invalid, "chat_template_kwargs.enable_thinking"},
		`"thinking":{"type":"disabled","budget_tokens":1}`:                        {invalid, "thinking.budget_tokens"},
		`"thinking":{"budget_tokens":1}`:                                          {fault.CodeMissing, "thinking.type"},
		`"reasoning_effort":"huge"`:                                               {invalid, "reasoning_effort"},
		`"mm_processor_kwargs":{"min_pixels":9,"max_pixels":4}`:                   {invalid, "mm_processor_kwargs.min_pixels"},
		`"mm_processor_kwargs":{"fps":1,"num_frames":2}`:                          {invalid, "mm_processor_kwargs.num_frames"},
		`"mm_processor_kwargs":{"video_start":1}`:                                 {unsupported, "mm_processor_kwargs.video_start"},
		`"tools":[{"function":{"name":"a b"}}]`:                                   {invalid, "tools[0].function.name"},
		`"tools":[{"name":"f"}]`:                                                  {fault.CodeMissing, "tools[0].type"},
		`"tools":[{"type":"function"}]`:                                           {fault.CodeMissing, "tools[0].function"},
		`"tools":[1]`:                                                             {invalid, "tools[0]"},
		`"best_of":2`:                                                             {unsupported, "best_of"},
		`"min_tokens":1`:                                                          {unsupported, "min_tokens"},
		`"ignore_eos":true`:                                                       {unsupported, "ignore_eos"},
		`"modalities":["text","audio"]`:                                           {unsupported, "modalities[1]"},
		`"functions":[]`:                                                          {unsupported, "functions"},
		`"prompt_logprobs":1`:                                                     {unsupported, "prompt_logprobs"},
		`"temprature":1`:                                                          {fault.CodeUnknown, "temprature"},
		`"a":1,"a":2`:                                                             {fault.CodeInvalidJSON, ""},
	} {
		_, err := decode(members, nil)
		var e *fault.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Code != want.code || e.Param != want.param {
			t.Errorf("%.100s: %+v", members, err)
		}
	}
}

func TestTheFirstFaultIsTold(t *testing.T) {
	_, err := decode(`"n":0,"temperature":9`, nil)
	var e *fault.Error
	if !errors.As(err, &e) || e.Param != "n" {
		t.Error(err)
	}
}

func TestUnknownMembers(t *testing.T) {
	var log testkit.Buffer
	strict := &Policy{Limits: DefaultLimits(), Unknown: &Unknown{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}}
	lenient := &Policy{Limits: DefaultLimits(), Unknown: &Unknown{Ignore: true}}
	for members, refused := range map[string]string{
		`"temprature":1`:                      `did you mean "temperature"?`,
		`"secret":1`:                          `unknown parameter "secret"`,
		`"stream_options":{"include_usge":1}`: `did you mean "include_usage"?`,
		`"keep_alive":1`:                      "",
		`"stream_options":{"id":"x"}`:         "",
		`"` + strings.Repeat("x", 99) + `":1`: strings.Repeat("x", 60) + `..."`,
	} {
		_, err := decode(members, strict)
		if refused == "" && err != nil || refused != "" && (err == nil || !strings.Contains(err.Error(), refused)) {
			t.Errorf("%s: %v", members, err)
		}
		if _, err := decode(members, lenient); err != nil {
			t.Errorf("%s: %v", members, err)
		}
		if _, err := decode(members, strict); refused == "" && err != nil {
			t.Errorf("again %s: %v", members, err)
		}
	}
	// Names on the lists are logged once, what else a client wrote is not.
	if got := log.String(); strings.Count(got, "member=keep_alive") != 1 || strings.Count(got, "\n") != 2 || strings.Contains(got, "secret") {
		t.Error(got)
	}
}

const twoTools = `"tools":[{"function":{"name":"a"}},{"type":"function","name":"b"},{"type":"custom","name":"c"}],`

// Every surface's words for the same choice.
func TestToolChoiceInAllWords(t *testing.T) {
	const a, b = "<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call>", "<tool_call>\n{\"name\": \"b\", \"arguments\": {}}\n</tool_call>"
	for choice, want := range map[string]struct{ yes, no []string }{
		`null`:                {[]string{"hi", a, a + "\n" + b}, nil},
		`"auto"`:              {[]string{"hi", a, a + "\n" + b}, nil},
		`{"type":"auto"}`:     {[]string{"hi", a}, nil},
		`"required"`:          {[]string{a, b, a + "\n" + b}, []string{"hi"}},
		`"any"`:               {[]string{a, b}, []string{"hi"}},
		`{"type":"any"}`:      {[]string{a, b}, []string{"hi"}},
		`{"type":"required"}`: {[]string{a, b}, []string{"hi"}},
		`{"type":"function","function":{"name":"a"}}`:                                     {[]string{a}, []string{"hi", b, a + "\n" + a}},
		`{"type":"function","name":"b"}`:                                                  {[]string{b}, []string{"hi", a}},
		`{"type":"tool","name":"b"}`:                                                      {[]string{b}, []string{"hi", a}},
		`{"type":"any","disable_parallel_tool_use":true}`:                                 {[]string{a, b}, []string{"hi", a + "\n" + b}},
		`{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"b"}]}`: {[]string{"hi", b}, []string{a}},
		`{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"b"}},{"type":"mcp"}]}}`: {[]string{b}, []string{"hi", a}},
	} {
		req, err := decode(twoTools+`"tool_choice":`+choice, nil)
		if err != nil {
			t.Errorf("%s: %v", choice, err)
			continue
		}
		for _, text := range want.yes {
			if !constrainttest.Accepts(t, req.Constraint, text) {
				t.Errorf("%s refuses %q", choice, text)
			}
		}
		for _, text := range want.no {
			if constrainttest.Accepts(t, req.Constraint, text) {
				t.Errorf("%s accepts %q", choice, text)
			}
		}
	}
	for _, none := range []string{`"none"`, `{"type":"none"}`} {
		if req, err := decode(twoTools+`"tool_choice":`+none, nil); err != nil || req.Constraint != nil || req.ShowsTools() || len(req.Callable) != 0 {
			t.Errorf("%s: %+v, %v", none, req, err)
		}
	}
}

func TestFaultsOfToolChoiceNameTheirPlace(t *testing.T) {
	const invalid, missing, unsupported = fault.CodeInvalidValue, fault.CodeMissing, fault.CodeUnsupported
	for choice, want := range map[string]struct{ code, param string }{
		`1`:                                      {invalid, "tool_choice"},
		`"sometimes"`:                            {invalid, "tool_choice"},
		`{}`:                                     {missing, "tool_choice.type"},
		`{"type":1}`:                             {invalid, "tool_choice.type"},
		`{"type":"mcp"}`:                         {unsupported, "tool_choice.type"},
		`{"type":"function"}`:                    {missing, "tool_choice.function"},
		`{"type":"function","function":"a"}`:     {invalid, "tool_choice.function"},
		`{"type":"function","function":{}}`:      {missing, "tool_choice.function.name"},
		`{"type":"function","name":"d"}`:         {invalid, "tool_choice.name"},
		`{"type":"function","name":"c"}`:         {unsupported, "tool_choice.name"},
		`{"type":"allowed_tools","mode":"auto"}`: {invalid, "tool_choice.tools"},
		`{"type":"allowed_tools","allowed_tools":1}`:                                      {invalid, "tool_choice.allowed_tools"},
		`{"type":"allowed_tools","mode":"none","tools":[{"type":"function","name":"a"}]}`: {invalid, "tool_choice.mode"},
		`{"type":"allowed_tools","tools":[{"type":"function","name":"d"}]}`:               {invalid, "tool_choice.tools"},
	} {
		_, err := decode(twoTools+`"tool_choice":`+choice, nil)
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != want.code || e.Param != want.param {
			t.Errorf("%s: %+v", choice, err)
		}
	}
}

func TestAnAnswerMayBeBegunByTheClient(t *testing.T) {
	thought := "hm"
	user := Message{Role: RoleUser, IsText: true, Text: "hi"}
	begun := Message{Role: RoleAssistant, Path: "messages[1]", IsText: true, Text: "It"}
	object := `"response_format":{"type":"json_object"}`
	for name, c := range map[string]struct {
		members string
		last    Message
		want    *Prefill
		param   string // at fault
	}{
		"text":               {``, begun, &Prefill{Text: "It", Path: "messages[1]"}, ""},
		"parts":              {``, Message{Role: RoleAssistant, Parts: []Part{{Text: "a"}, {Text: "b"}}}, &Prefill{Text: "ab"}, ""},
		"thoughts":           {``, Message{Role: RoleAssistant, IsText: true, Reasoning: &thought}, &Prefill{Reasoning: "hm"}, ""},
		"nothing":            {``, Message{Role: RoleAssistant, IsText: true}, nil, ""},
		"a call":             {``, Message{Role: RoleAssistant, Text: "a", IsText: true, ToolCalls: []ToolCall{{Name: "f"}}}, nil, ""},
		"a picture":          {``, Message{Role: RoleAssistant, Parts: []Part{{Image: &Image{}}}}, nil, ""},
		"a question":         {``, user, nil, ""},
		"a turn of its own":  {`"continue_final_message":false`, begun, nil, ""},
		"by the template":    {`"add_generation_prompt":true`, begun, nil, ""},
		"asked for":          {`"continue_final_message":true,"add_generation_prompt":false`, begun, &Prefill{Text: "It", Path: "messages[1]"}, ""},
		"contradictory":      {`"continue_final_message":true,"add_generation_prompt":true`, begun, nil, "add_generation_prompt"},
		"nothing to go on":   {`"continue_final_message":true`, user, nil, "continue_final_message"},
		"nothing either":     {`"add_generation_prompt":false`, user, nil, "add_generation_prompt"},
		"under a constraint": {object, begun, nil, ""},
		"both asked for":     {object + `,"continue_final_message":true`, begun, nil, "messages[1]"},
	} {
		req, err := decode(c.members, nil, user, c.last)
		var e *fault.Error
		if errors.As(err, &e) != (c.param != "") || e != nil && e.Param != c.param {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.param == "" {
			if diff := cmp.Diff(c.want, req.Prefill()); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func TestLimitsHaveDefaults(t *testing.T) {
	if diff := cmp.Diff(DefaultLimits(), Limits{}.WithDefaults()); diff != "" {
		t.Error(diff)
	}
	own := Limits{BodyBytes: 1, Messages: 2, Images: 3, Videos: 4, Tools: 5, Stops: 6, StopBytes: 7, LogitBias: 8, Choices: 9, Depth: 10, Values: 12, SchemaBytes: 12}
	if diff := cmp.Diff(own, own.WithDefaults()); diff != "" {
		t.Error(diff)
	}
	policy := &Policy{Limits: own, Unknown: &Unknown{}}
	for _, body := range []string{"", "[]", "1", `{"a":`, `{"a":` + strings.Repeat("[", 11) + strings.Repeat("]", 11) + "}", "{\"a\":\"\xff\"}"} {
		var e *fault.Error
		if _, err := policy.Parse([]byte(body)); !errors.As(err, &e) || e.Code != fault.CodeInvalidJSON || e.Param != "" {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestWhatMayTakeLongToBringIn(t *testing.T) {
	for url, want := range map[string]bool{"https://x/a.png": true, "HTTP://x": true, "data:,a": false, "": false, "file:///a": false} {
		if got := (&Request{Images: []*Image{{URL: url}}}).NeedsFetching(); got != want {
			t.Errorf("%q: %v", url, got)
		}
	}
	if !(&Request{Videos: []*Video{{}}}).NeedsFetching() || (&Request{}).NeedsFetching() {
		t.Error("videos are probed, nothing is not")
	}
}
