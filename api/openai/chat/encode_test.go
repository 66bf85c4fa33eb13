package chat

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface/surfacetest"
	"github.com/qwenvld/qwenvld/engine"
)

func decode(body string) (*request.Request, error) {
	policy := &request.Policy{Limits: request.DefaultLimits(), Unknown: &request.Unknown{}}
	root, err := policy.Parse([]byte(body))
	if err != nil {
		return nil, err
	}
	return NewDecoder(policy).Decode(root)
}

func newTestEncoder(t *testing.T, body string, field ReasoningField) *encoder {
	t.Helper()
	req, err := decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return &encoder{
		head: head{id: "chatcmpl-1", created: 1_700_000_000, model: "qwen3-vl-thinking"}, request: req, field: field,
	}
}

func TestEventsBecomeChunks(t *testing.T) {
	surfacetest.Run(t, func(t *testing.T, body []byte) surfacetest.Encoding {
		e := newTestEncoder(t, string(body), ReasoningContent)
		return surfacetest.Encoding{Encoder: e, Whole: e.whole}
	})
}

const question = `{"messages":[{"role":"user","content":"hi"}]}`

func TestReasoningIsSentUnderItsName(t *testing.T) {
	for field, want := range map[ReasoningField]string{
		"":               `{"reasoning_content":"hm"}`,
		ReasoningContent: `{"reasoning_content":"hm"}`,
		ReasoningShort:   `{"reasoning":"hm"}`,
		ReasoningBoth:    `{"reasoning":"hm","reasoning_content":"hm"}`,
	} {
		e := newTestEncoder(t, question, field)
		thoughts := generation.Block{Kind: generation.Reasoning}
		messages, err := e.Event(&generation.Event{Kind: generation.BlockText, Block: thoughts, Text: "hm"})
		if err != nil || len(messages) != 1 {
			t.Fatalf("%v, %v", messages, err)
		}
		var told struct {
			Choices []struct{ Delta map[string]string }
		}
		if err := json.Unmarshal(messages[0].Data, &told); err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(told.Choices[0].Delta); string(got) != want {
			t.Errorf("%q: a chunk has %s", field, got)
		}
		whole, err := json.Marshal(e.whole(&generation.Whole{Answers: []generation.WholeAnswer{{
			Blocks: []generation.WholeBlock{{Block: thoughts, Text: "hm"}}, Ending: &generation.Ending{},
		}}}))
		if err != nil {
			t.Fatal(err)
		}
		var reply struct {
			Choices []struct {
				Message struct {
					Content   *string `json:"content,omitempty"`
					Reasoning *string `json:"reasoning,omitempty"`
					Long      *string `json:"reasoning_content,omitempty"`
				}
			}
		}
		if err := json.Unmarshal(whole, &reply); err != nil {
			t.Fatal(err)
		}
		m := reply.Choices[0].Message
		if m.Content == nil || *m.Content != "" {
			t.Errorf("%q: content %v", field, m.Content)
		}
		m.Content = nil
		if got, _ := json.Marshal(m); string(got) != want {
			t.Errorf("%q: the reply has %s", field, got)
		}
	}
}

// JSON has no infinite numbers.
func TestAChunkThatCannotBeEncodedIsAnError(t *testing.T) {
	e := newTestEncoder(t, `{"messages":[{"role":"user","content":"hi"}],"logprobs":true}`, ReasoningContent)
	messages, err := e.Event(&generation.Event{
		Kind: generation.BlockText, Block: generation.Block{Kind: generation.Content}, Text: "a",
		Tokens: []engine.Token{{Bytes: []byte("a"), Logprob: math.Inf(-1)}},
	})
	var refused *fault.Error
	if err == nil || messages != nil || errors.As(err, &refused) {
		t.Errorf("%v, %v", messages, err)
	}
}
