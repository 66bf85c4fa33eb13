package completions

import (
	"testing"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface/surfacetest"
)

func decodeBody(body string) (*textRequest, error) {
	policy := &request.Policy{Limits: request.DefaultLimits(), Unknown: &request.Unknown{}}
	root, err := policy.Parse([]byte(body))
	if err != nil {
		return nil, err
	}
	return decode(policy, table(), root)
}

func TestEventsBecomeChunks(t *testing.T) {
	surfacetest.Run(t, func(t *testing.T, body []byte) surfacetest.Encoding {
		req, err := decodeBody(string(body))
		if err != nil {
			t.Fatal(err)
		}
		e := &encoder{request: req, base: Completion{ID: "cmpl-1", Object: objectText, Created: 1_700_000_000, Model: "qwen3-vl-instruct"}}
		if req.echo {
			for _, p := range req.prompts {
				e.echoes = append(e.echoes, p.Text)
			}
		}
		return surfacetest.Encoding{Encoder: e, Whole: e.whole}
	})
}
