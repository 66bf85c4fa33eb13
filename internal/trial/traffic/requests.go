package traffic

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/qwenvld/qwenvld/internal/loadtest/picture"
)

// Request is something to ask for.
type Request struct {
	// Path is the surface's.
	Path string
	// Body becomes JSON.
	Body map[string]any
}

const (
	pathChat       = "/v1/chat/completions"
	pathCompletion = "/v1/completions"
	pathResponses  = "/v1/responses"
	pathMessages   = "/v1/messages"
	pathOllama     = "/api/chat"
)

// JSON is the body as it is sent.
func (r *Request) JSON() ([]byte, error) {
	body, err := json.Marshal(r.Body)
	if err != nil {
		return nil, fmt.Errorf("write a request: %w", err)
	}
	return body, nil
}

func (r *Request) streams() bool { return r.Body["stream"] == true }

func (r *Request) form() form {
	switch r.Path {
	case pathCompletion:
		return completion
	case pathResponses:
		return responses
	case pathMessages:
		return messages
	case pathOllama:
		return lines
	}
	return chat
}

// Model is the name of the pair under trial; its variants are Model and a hyphen and their name.
const Model = "qwen3-vl"

// Of is the name of a variant.
func Of(variant string) string { return Model + "-" + variant }

// With adds a member to the body.
func (r *Request) With(name string, value any) *Request {
	r.Body[name] = value
	return r
}

// Text is a chat about content with an answer of at most so many tokens, streamed.
func Text(model string, content any, tokens int) *Request {
	return &Request{Path: pathChat, Body: map[string]any{
		"model": model, "max_tokens": tokens, "stream": true,
		"messages": []any{map[string]any{"role": "user", "content": content}},
	}}
}

// Endless is an answer of so many tokens: those of the built-in pair that end one are forbidden, and that it repeats
// itself does not matter.
func Endless(model string, tokens int) *Request {
	r := Text(model, "go on", tokens)
	r.Body["logit_bias"] = map[string]any{"1510": -100, "1512": -100}
	r.Body["repetition_detection"] = false
	return r
}

// Prompt is a question behind so many words that no other prompt begins with.
func Prompt(model string, words int, seed uint64) *Request {
	rng := rand.New(rand.NewPCG(seed, 1))
	var text strings.Builder
	for range words {
		fmt.Fprintf(&text, "%d ", rng.IntN(10))
	}
	return Text(model, text.String()+"What is it?", 8)
}

// Picture is a question about a picture of its own.
func Picture(model string, width, height int, seed uint64) (*Request, error) {
	data, err := picture.Draw(picture.Tiles, width, height, seed)
	if err != nil {
		return nil, fmt.Errorf("draw a picture: %w", err)
	}
	return Image(model, picture.DataURI("image/png", data)), nil
}

// File is a question about an image's file.
func File(model, mediaType string, data []byte) *Request {
	return Image(model, picture.DataURI(mediaType, data))
}

// Image is a question about the image at an address.
func Image(model, address string) *Request {
	return Text(model, []any{
		map[string]any{"type": "text", "text": "What is it?"},
		map[string]any{"type": "image_url", "image_url": map[string]any{"url": address}},
	}, 8)
}

// Mixed is what a daemon's clients ask for in turns: both weights, on every surface, streamed and in one piece, with
// pictures of a fixed set among them.
func Mixed(pictures []string) func(n int) *Request {
	say := func(n int) string { return fmt.Sprintf("hello %d", n) }
	kinds := []func(n int) *Request{
		func(n int) *Request { return Text(Model, say(n), 24) },
		func(n int) *Request { return Text(Of("thinking"), say(n), 48) },
		func(n int) *Request { return Text(Of("instruct"), say(n), 24).With("stream", false) },
		func(n int) *Request { return Image(Of("instruct"), pictures[n%len(pictures)]) },
		func(n int) *Request {
			return &Request{Path: pathResponses, Body: map[string]any{
				"model": Model, "input": say(n), "max_output_tokens": 24, "stream": n%2 == 0,
			}}
		},
		func(n int) *Request {
			return &Request{Path: pathMessages, Body: map[string]any{
				"model": Of("instruct"), "max_tokens": 24, "stream": n%2 == 0,
				"messages": []any{map[string]any{"role": "user", "content": say(n)}},
			}}
		},
		func(n int) *Request {
			return &Request{Path: pathCompletion, Body: map[string]any{
				"model": Of("instruct"), "prompt": say(n), "max_tokens": 16, "stream": n%2 == 0,
			}}
		},
		func(n int) *Request {
			return &Request{Path: pathOllama, Body: map[string]any{
				"model": Model, "stream": n%2 == 0, "options": map[string]any{"num_predict": 24},
				"messages": []any{map[string]any{"role": "user", "content": say(n)}},
			}}
		},
	}
	return func(n int) *Request { return kinds[n%len(kinds)](n / len(kinds)) }
}

// Pictures are n small pictures as data URIs.
func Pictures(n int) ([]string, error) {
	const width, height = 160, 120
	out := make([]string, n)
	for i := range out {
		data, err := picture.Draw(picture.Tiles, width, height, uint64(i))
		if err != nil {
			return nil, fmt.Errorf("draw a picture: %w", err)
		}
		out[i] = picture.DataURI("image/png", data)
	}
	return out, nil
}

// Video is a question about the video at an address.
func Video(model, address string) *Request {
	return Text(model, []any{
		map[string]any{"type": "video_url", "video_url": map[string]any{"url": address}},
		map[string]any{"type": "text", "text": "What is it?"},
	}, 8)
}
