package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

// pointing is what a model writes that points at a cat and its eye.
const pointing = `[{"bbox_2d":[100,0,500,1000],"label":"cat"},{"point_2d":[250,500],"label":"eye"}]`

func TestGroundingTellsPixelsOfThePictureAsItWasSent(t *testing.T) {
	const want = `"grounding":[{"label":"cat","bbox_2d":[100,0,500,1000],"image":0,"bbox_pixels":[10,0,50,40]},` +
		`{"label":"eye","point_2d":[250,500],"image":0,"point_pixels":[25,20]}]`
	for _, stream := range []bool{false, true} {
		s := newSite(t, nil)
		s.instruct.Events = []engine.Event{
			{Text: pointing[:30]}, {Text: pointing[30:]}, {Result: &engine.Result{FinishReason: engine.FinishStop}},
		}
		got := s.post("/v1/chat/completions", map[string]any{
			"model": "qwen3-vl-instruct", "stream": stream, "response_format": map[string]any{"type": "grounding"},
			"messages": []any{map[string]any{"role": "user", "content": []any{
				map[string]any{"type": "image_url", "image_url": map[string]any{"url": pngURI(t, 100, 40)}},
				map[string]any{"type": "text", "text": "Where is the cat?"},
			}}},
		})
		if got.status != http.StatusOK || strings.Count(string(got.body), want) != 1 {
			t.Errorf("stream %t: %d %s", stream, got.status, got.body)
		}
		c := s.instruct.Last().Constraint
		if c == nil || !strings.Contains(string(c.Schema), "bbox_2d") {
			t.Errorf("the engine is asked for the form %+v", c)
		}
	}
}

func TestGroundingWithoutAPictureHasNoPixels(t *testing.T) {
	s := newSite(t, nil)
	s.instruct.Events = []engine.Event{{Text: pointing}, {Result: &engine.Result{FinishReason: engine.FinishStop}}}
	got := s.ask(map[string]any{"model": "qwen3-vl-instruct", "response_format": map[string]any{"type": "grounding"}})
	if got.status != http.StatusOK || !strings.Contains(string(got.body), `"label":"eye"`) || strings.Contains(string(got.body), "pixels") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
