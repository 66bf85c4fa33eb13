package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface/surfacetest"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

// numbered makes ids that differ.
func numbered() func() string {
	n := 0
	return func() string {
		n++
		return strconv.Itoa(n)
	}
}

func testPolicy() *request.Policy {
	return &request.Policy{Limits: request.DefaultLimits(), Unknown: &request.Unknown{}}
}

// decodeBody decodes a body that goes on from earlier lists of items.
func decodeBody(t *testing.T, body string, earlier ...string) (*createRequest, error) {
	t.Helper()
	policy := testPolicy()
	root, err := policy.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	lists := make([]json.RawMessage, len(earlier))
	for i := range earlier {
		lists[i] = json.RawMessage(earlier[i])
	}
	return newBodyReader(policy, numbered()).decode(root, lists)
}

// newTestEncoder is the encoder of a response to body.
func newTestEncoder(t *testing.T, body string) *encoder {
	t.Helper()
	req, err := decodeBody(t, body)
	if err != nil {
		t.Fatal(err)
	}
	kept := true
	req.Store = &kept
	response := newResponse(req, "resp_1")
	response.CreatedAt, response.Model = 1_700_000_000, "qwen3-vl-thinking"
	response.echoSampling(&engine.Sampling{Temperature: 0.6, TopP: 0.95, PresencePenalty: 1.5})
	now := func() time.Time { return time.Unix(1_700_000_009, 0) }
	return &encoder{builder: &builder{response: response, now: now}}
}

// The files hold the bodies of the requests too. A run in the background is announced before it begins, and may be cancelled.
func TestEventsOfARunBecomeThoseOfAResponse(t *testing.T) {
	surfacetest.Run(t, func(t *testing.T, body []byte) surfacetest.Encoding {
		e := newTestEncoder(t, string(body))
		encoding := surfacetest.Encoding{Encoder: e, Own: map[string]func() ([]web.Message, error){
			"cancelled": func() ([]web.Message, error) { return e.encode(e.builder.cancel()) },
		}}
		if e.builder.response.Background {
			encoding.Opening = func() ([]web.Message, error) { return e.encode(e.builder.announce()) }
		}
		return encoding
	})
}

// JSON has no infinite numbers. A response that cannot be told because of one still ends, by numbers without a gap.
func TestAResponseThatCannotBeEncodedEndsNevertheless(t *testing.T) {
	e := newTestEncoder(t, `{"input":"hi","include":["message.output_text.logprobs"]}`)
	var told []web.Message
	content := generation.Block{Kind: generation.Content}
	for _, ev := range []generation.Event{
		{Kind: generation.Started},
		{Kind: generation.BlockOpen, Block: content},
		{Kind: generation.BlockText, Block: content, Text: "a", Tokens: []engine.Token{{Bytes: []byte("a"), Logprob: -1}}},
	} {
		messages, err := e.Event(&ev)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, messages...)
	}
	broken := generation.Event{
		Kind: generation.BlockText, Block: content, Text: "b",
		Tokens: []engine.Token{{Bytes: []byte("b"), Logprob: math.Inf(-1)}},
	}
	if messages, err := e.Event(&broken); err == nil || messages != nil {
		t.Fatalf("%s, %v", messages, err)
	}
	told = append(told, e.Failure(&fault.Error{Status: 500, Message: "sorry"}, "req_1")...)
	for i := range told {
		if want := fmt.Sprintf(`"sequence_number":%d,`, i); !bytes.Contains(told[i].Data, []byte(want)) {
			t.Errorf("event %d is %s", i, told[i].Data)
		}
	}
	last := told[len(told)-1]
	if last.Event != "response.failed" || !strings.Contains(string(last.Data), `"output":[]`) ||
		!strings.Contains(string(last.Data), `"message":"sorry"`) {
		t.Errorf("the last is %s", last.Data)
	}
}
