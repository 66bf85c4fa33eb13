package worker

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// videoCase mirrors testdata/reference/*/videos.json.
type videoCase struct {
	Name      string         `json:"name"`
	Pieces    []engine.Piece `json:"pieces"`
	IDs       []int32        `json:"ids"`
	Positions [3][]int32     `json:"positions"`
	RopeDelta int32          `json:"rope_delta"`
	Images    []videoPixels  `json:"images"`
	Videos    []videoPixels  `json:"videos"`
}

type videoPixels struct {
	Width  int      `json:"width"`
	Height int      `json:"height"`
	Stamps []string `json:"stamps"`
	Pixels struct {
		Offset int   `json:"offset"`
		Shape  []int `json:"shape"`
	} `json:"pixels"`
}

// videoRequests makes a greedy request of each reference prompt with videos, as the daemon does.
func videoRequests(t *testing.T, variant string, maxTokens int) ([]videoCase, []*engine.Request) {
	t.Helper()
	data, err := os.ReadFile(references + variant + "/videos.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []videoCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	pixels, err := os.ReadFile(references + "videos-pixels.bin")
	if err != nil {
		t.Fatal(err)
	}
	var out []*engine.Request
	for _, c := range cases {
		req := &engine.Request{ID: c.Name, MaxTokens: maxTokens}
		for _, img := range c.Images {
			size := 3 * img.Width * img.Height
			req.Images = append(req.Images, engine.Image{Width: img.Width, Height: img.Height, RGB: pixels[img.Pixels.Offset:][:size]})
		}
		var stamps [][]string
		for _, v := range c.Videos {
			stamps = append(stamps, v.Stamps)
		}
		req.Prompt = prompt.Rendered{Pieces: c.Pieces}.WithFrames(stamps, len(req.Images)).Pieces
		for _, v := range c.Videos {
			size := 3 * v.Width * v.Height
			all := pixels[v.Pixels.Offset:][:size*v.Pixels.Shape[0]]
			if v.Pixels.Shape[0]%2 == 1 {
				all = append(all[:len(all):len(all)], all[len(all)-size:]...)
			}
			for g := range v.Stamps {
				req.Images = append(req.Images, engine.Image{Width: v.Width, Height: v.Height, Pair: true, RGB: all[2*g*size : 2*(g+1)*size]})
			}
		}
		out = append(out, req)
	}
	return cases, out
}

func TestTokensAndPositionsOfVideosAreThoseOfTransformers(t *testing.T) {
	for _, variant := range []string{"dense-tied", "dense-untied", "moe"} {
		w, err := load(context.Background(), config(variant), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		cases, reqs := videoRequests(t, variant, 1)
		for i, c := range cases {
			checkLayout(t, w, variant+"/"+c.Name, reqs[i], c.IDs, c.Positions, c.RopeDelta)
		}
	}
}

// The answer is the same whether pixels come with the request, later, or for the second time.
func TestFramesMayComeLaterAndAgain(t *testing.T) {
	c := config("dense-tied")
	c.PrefixCache = -1 // all rows are computed from the pixels of this request
	s := start(t, c)
	_, reqs := videoRequests(t, "dense-tied", 12)
	for _, req := range reqs {
		want, result, err := s.generate(req)
		if err != nil {
			t.Fatal(err)
		}
		if result.Usage.VideoTokens == 0 || (result.Usage.ImageTokens > 0) != (req.ID == "image-and-video") {
			t.Errorf("%s: %+v", req.ID, result.Usage)
		}
		late := *req
		late.Images = slices.Clone(req.Images)
		for i := range late.Images {
			late.Images[i].Later, late.Images[i].RGB = engine.NewPixels(), nil
		}
		var decoding sync.WaitGroup
		decoding.Go(func() {
			for i := range late.Images {
				// The worker has the time of another request to encode those that have come.
				if resp, err := s.client.Get("http://worker" + wire.PathHealth); err == nil {
					_ = resp.Body.Close()
				}
				late.Images[i].Later.Set(req.Images[i].RGB, nil)
			}
		})
		if got, _, err := s.generate(&late); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", req.ID, got, err, want)
		}
		decoding.Wait()
	}
}

// A body that ends early ends its request only.
func TestFramesThatDoNotComeEndTheirRequest(t *testing.T) {
	s := start(t, config("dense-tied"))
	_, reqs := videoRequests(t, "dense-tied", 5)
	broken := *reqs[0]
	broken.Images = append([]engine.Image(nil), broken.Images...)
	last := &broken.Images[len(broken.Images)-1]
	last.Later, last.RGB = engine.NewPixels(), nil
	last.Later.Set(nil, context.DeadlineExceeded)
	if _, _, err := s.generate(&broken); err == nil {
		t.Error("the request was answered")
	}
	if _, _, err := s.generate(reqs[1]); err != nil {
		t.Errorf("the next request: %v", err)
	}
}
