package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// painted is picture n: one colour that no other has.
func painted(n int) string {
	img := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for y := range 32 {
		for x := range 32 {
			img.Set(x, y, color.RGBA{R: uint8(n), G: 7, B: 9, A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // a buffer takes everything
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// painter draws conversations whose every picture n stands behind the text "pn:".
type painter struct {
	t             *rapid.T
	count, videos int
}

const mostPictures = 9

// parts draws a content list; the functions write a part in a surface's own way. Without video there are none.
func (p *painter) parts(text func(string) object, picture func(data string) object, video func(frames []any) object) []any {
	out := []any{text("so")}
	for range rapid.IntRange(0, 3).Draw(p.t, "parts") {
		kind := rapid.IntRange(0, 2).Draw(p.t, "kind")
		noVideo := video == nil || p.videos == request.DefaultLimits().Videos
		if kind == 0 || p.count == mostPictures || kind == 2 && noVideo {
			out = append(out, text("words"))
			continue
		}
		out = append(out, text(fmt.Sprintf("p%d:", p.count)))
		data := painted(p.count)
		p.count++
		if kind == 1 {
			out = append(out, picture(data))
		} else {
			p.videos++
			uri := "data:image/png;base64," + data
			out = append(out, video([]any{uri, uri, uri, uri}))
		}
	}
	return out
}

func (p *painter) flip(what string) bool { return rapid.Bool().Draw(p.t, what) }

func imagePart(data string) object {
	return object{"type": "image_url", "image_url": object{"url": "data:image/png;base64," + data}}
}

func framesPart(frames []any) object { return object{"type": "video", "video": frames, "fps": 2} }

// chat draws messages for /v1/chat/completions.
func (p *painter) chat() object {
	parts := func() []any { return p.parts(textPart, imagePart, framesPart) }
	messages := []any{object{"role": "user", "content": parts()}}
	for i := range rapid.IntRange(0, 4).Draw(p.t, "turns") {
		id := fmt.Sprintf("c%d", i)
		if p.flip("calls") {
			call := object{"id": id, "type": "function", "function": object{"name": "f", "arguments": "{}"}}
			messages = append(messages, object{"role": "assistant", "content": parts(), "tool_calls": []any{call}},
				object{"role": "tool", "tool_call_id": id, "content": parts()})
		} else {
			messages = append(messages, object{"role": "assistant", "content": parts()})
		}
		messages = append(messages, object{"role": "user", "content": parts()})
	}
	return object{"messages": messages}
}

// anthropic draws a body for /v1/messages: tool results stand anywhere among the user's blocks.
func (p *painter) anthropic() object {
	picture := func(data string) object {
		return object{"type": "image", "source": object{"type": "base64", "media_type": "image/png", "data": data}}
	}
	parts := func() []any { return p.parts(textPart, picture, nil) }
	messages := []any{object{"role": "user", "content": parts()}}
	for i := range rapid.IntRange(0, 4).Draw(p.t, "turns") {
		id := fmt.Sprintf("c%d", i)
		assistant, user := parts(), parts()
		if p.flip("calls") {
			assistant = append(assistant, object{"type": "tool_use", "id": id, "name": "f", "input": object{}})
			user = append(user, object{"type": "tool_result", "tool_use_id": id, "content": parts()})
			user = append(user, parts()...)
		}
		messages = append(messages, object{"role": "assistant", "content": assistant}, object{"role": "user", "content": user})
	}
	return object{"messages": messages, "max_tokens": 9}
}

// responses draws a body for /v1/responses.
func (p *painter) responses() object {
	text := func(s string) object { return object{"type": "input_text", "text": s} }
	picture := func(data string) object {
		return object{"type": "input_image", "image_url": "data:image/png;base64," + data}
	}
	parts := func() []any { return p.parts(text, picture, framesPart) }
	input := []any{object{"role": "user", "content": parts()}}
	for i := range rapid.IntRange(0, 4).Draw(p.t, "turns") {
		id := fmt.Sprintf("c%d", i)
		if p.flip("calls") {
			input = append(input, object{"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"},
				object{"type": "function_call_output", "call_id": id, "output": parts()})
		}
		input = append(input, object{"role": "user", "content": parts()})
	}
	return object{"input": input}
}

var pictureName = regexp.MustCompile(`p(\d+):`)

// checkPictures compares the pixels at each place of a prompt with the name before it.
func checkPictures(t *rapid.T, req *engine.Request, want int) {
	text, seen := "", map[int]bool{}
	for _, p := range req.Prompt {
		if p.Kind != engine.PieceImage {
			text += p.Text
			continue
		}
		names := pictureName.FindAllStringSubmatch(text, -1)
		if len(names) == 0 {
			t.Fatalf("a picture without a name after %q", text)
		}
		name, err := strconv.Atoi(names[len(names)-1][1])
		if err != nil {
			t.Fatal(err)
		}
		rgb, err := req.Images[p.Image].Bytes(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if int(rgb[0]) != name {
			t.Fatalf("picture %d stands where %d belongs", rgb[0], name)
		}
		seen[name] = true
	}
	if len(seen) != want {
		t.Fatalf("%d pictures were shown, %d sent", len(seen), want)
	}
}

// backwards is a chat template that shows the last message first.
const backwards = `{% for m in messages[::-1] %}<|im_start|>{{ m.role }}
{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}` +
	`{% elif p.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}<|vision_start|><|video_pad|><|vision_end|>{% endif %}` +
	`{% endfor %}{% endif %}{% for c in m.tool_calls %}{{ c.function.name }}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

func TestEachPictureStandsWhereItWasSent(t *testing.T) {
	// Nine combinations of surfaces and templates with as many conversations each; a failure prints its own seed.
	checks := "25"
	if raced {
		checks = "8" // without the detector TestTheAPIThroughAnotherServer makes them all
	}
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	surfaces := map[string]func(*painter) object{
		"/v1/chat/completions": (*painter).chat, "/v1/messages": (*painter).anthropic, "/v1/responses": (*painter).responses,
	}
	templates := map[string]string{"qwen": "", "interpreted": prompt.ThinkingTemplate() + "{# other #}", "backwards": backwards}
	for name, template := range templates {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, withVideo)
			if template != "" {
				s.instruct.Model.ChatTemplate, s.thinking.Model.ChatTemplate = template, template
			}
			for path, draw := range surfaces {
				t.Run(strings.ReplaceAll(strings.Trim(path, "/"), "/", "_"), func(t *testing.T) {
					rapid.Check(t, func(t *rapid.T) {
						p := &painter{t: t}
						body := draw(p)
						variant, eng := "instruct", s.instruct
						if p.flip("think") {
							variant, eng = "thinking", s.thinking
						}
						body["model"] = "qwen3-vl-" + variant
						if got := s.post(path, body); got.status != 200 {
							t.Fatalf("%d %s", got.status, got.body)
						}
						checkPictures(t, eng.Request(s.t), p.count)
					})
				})
			}
		})
	}
}
