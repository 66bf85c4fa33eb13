package dialect

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/qwenvld/qwenvld/engine"
)

// Tokenize writes the body of a request for the tokens of a text. Special tokens are recognised in it where special
// says so, and by vLLM and SGLang in any case.
// pieces asks for their bytes, too, which kinds tell whose Can.Pieces says so.
func (d *Dialect) Tokenize(model, text string, special, pieces bool) ([]byte, error) {
	b := body{"model": model}
	switch d.Kind {
	case LlamaServer:
		b["content"], b["parse_special"], b["add_special"], b["with_pieces"] = text, special, false, pieces
	case Qwenvld:
		b["content"], b["parse_special"], b["with_pieces"] = text, special, pieces
	default:
		b["prompt"], b["add_special_tokens"] = text, false
		if pieces {
			b["return_token_strs"] = true
		}
	}
	return write(b)
}

// Tokens reads the reply.
func (d *Dialect) Tokens(data []byte) ([]int32, error) {
	var r struct {
		Tokens []int32 `json:"tokens"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	if r.Tokens == nil {
		return nil, errors.New("a reply without tokens")
	}
	return r.Tokens, nil
}

// Detokenize writes the body of a request for what tokens stand for.
func (d *Dialect) Detokenize(model string, tokens []int32) ([]byte, error) {
	return write(body{"model": model, "tokens": tokens})
}

// DetokenizedText reads the reply.
func (d *Dialect) DetokenizedText(data []byte) (string, error) {
	var r struct {
		Content *string `json:"content"` // llama-server, qwenvld
		Prompt  *string `json:"prompt"`  // vLLM
		Text    *string `json:"text"`    // SGLang
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return "", fmt.Errorf("read text: %w", err)
	}
	for _, s := range []*string{r.Content, r.Prompt, r.Text} {
		if s != nil {
			return *s, nil
		}
	}
	return "", errors.New("a reply without text")
}

// Card is what a server tells of a model.
type Card struct {
	ID          string
	ContextSize int
	// MinPixels and MaxPixels bound the area of pictures as the model sees them.
	MinPixels, MaxPixels int
	// Architecture is that of the model file, which only a qwenvld tells.
	Architecture string
	// Blind says that the model sees no pictures, Down that it cannot be asked at the moment: only a qwenvld tells.
	Blind, Down bool
}

// Models reads the list of models. What is 0 is not known.
func Models(data []byte) ([]Card, error) {
	var r struct {
		Data []struct {
			ID          string `json:"id"`
			MaxModelLen int    `json:"max_model_len"` // vLLM, SGLang, qwenvld
			Meta        struct {
				Context      int `json:"n_ctx"`
				ContextTrain int `json:"n_ctx_train"`
			} `json:"meta"` // llama-server
			Variants []struct {
				Loaded       bool   `json:"loaded"`
				Status       string `json:"status"`
				Architecture string `json:"architecture"`
				Vision       *struct {
					MinPixels int `json:"min_pixels"`
					MaxPixels int `json:"max_pixels"`
				} `json:"vision"`
			} `json:"variants"` // qwenvld
		} `json:"data"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read models: %w", err)
	}
	out := make([]Card, len(r.Data))
	for i := range r.Data {
		m := &r.Data[i]
		out[i] = Card{ID: m.ID, ContextSize: m.MaxModelLen}
		if out[i].ContextSize == 0 {
			out[i].ContextSize = m.Meta.Context
		}
		if out[i].ContextSize == 0 {
			out[i].ContextSize = m.Meta.ContextTrain
		}
		if len(m.Variants) > 0 {
			v := &m.Variants[0]
			out[i].Architecture = v.Architecture
			out[i].Down, out[i].Blind = !v.Loaded && !comes(v.Status), v.Loaded && v.Vision == nil
			if v.Vision != nil {
				out[i].MinPixels, out[i].MaxPixels = v.Vision.MinPixels, v.Vision.MaxPixels
			}
		}
	}
	return out, nil
}

// comes says whether weights of a state that are not loaded are loaded for who asks for them.
func comes(status string) bool {
	s := engine.State(status)
	return s == engine.StateUnloaded || s == engine.StateLoading || s == engine.StateUnloading
}
