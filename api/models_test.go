package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine"
)

func TestModelsAreListed(t *testing.T) {
	s := newSite(t, nil)
	for path, want := range map[string]string{
		"/v1/models": "qwen3-vl-thinking", "/v1/models/qwen3-vl": `"id":"qwen3-vl"`, "/health/live": "ok", "/health/ready": "ready",
	} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
		if got := s.do(req); got.status != 200 || !strings.Contains(string(got.body), want) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/models/gpt-4", http.NoBody)
	if got := s.do(req); got.status != 404 {
		t.Errorf("%d", got.status)
	}
}

func TestModelCardsTellWhatIsLoaded(t *testing.T) {
	s := newSite(t, nil)
	s.instruct.Model.Vision = &engine.VisionInfo{PatchSize: 16, MergeSize: 2}
	s.thinking.Model.Vision = s.instruct.Model.Vision
	s.known()
	card := func(id string) (c modelCard) {
		s.get("/v1/models/"+id).json(t, &c)
		return c
	}
	c := card("qwen3-vl")
	if len(c.Variants) != 2 || !c.Variants[1].Loaded || c.MaxModelLen != 4096 {
		t.Errorf("%+v", c)
	}
	if diff := cmp.Diff([]string{"chat", "completion", "tools", "structured_output", "reasoning", "vision"}, c.Capabilities); diff != "" {
		t.Error(diff)
	}
	s.thinking.Down = true
	s.known()
	if c := card("qwen3-vl"); c.Variants[1].Loaded || !c.Variants[0].Loaded || c.MaxModelLen != 4096 {
		t.Errorf("%+v", c)
	}
	if c := card("qwen3-vl-thinking"); c.Variants[0].Loaded || c.MaxModelLen != 0 || c.Modalities != nil {
		t.Errorf("%+v", c)
	}
}
