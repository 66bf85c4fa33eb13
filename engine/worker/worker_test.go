package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
	"github.com/qwenvld/qwenvld/multimodal"
)

const references = "../../testdata/reference/"

func config(variant string) Config {
	return Config{
		Model: references + variant + "/model.gguf", Projector: references + variant + "/mmproj.gguf",
		ContextSize: 256, CacheTokens: 1024, MaxSequences: 4, BatchSize: 32, PrefillChunk: 7, Threads: 2,
	}
}

// service is a running worker.
type service struct {
	client *http.Client
	socket string
	stop   func() error
	hello  []wire.Hello
}

func start(t *testing.T, c Config) *service {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	lifeline, daemon := io.Pipe()
	handshake, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Run(context.Background(), Options{
			Config: c, Listener: listener, Lifeline: lifeline, Handshake: out, Logger: slog.New(slog.DiscardHandler),
		})
		out.CloseWithError(io.EOF)
		ended <- err
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}
	s := &service{client: &http.Client{Transport: transport}, socket: socket}
	s.stop = sync.OnceValue(func() error {
		transport.CloseIdleConnections()
		daemon.Close()
		return <-ended
	})
	t.Cleanup(func() { _ = s.stop() })
	dec := json.NewDecoder(handshake)
	for {
		var h wire.Hello
		if err := dec.Decode(&h); err != nil {
			return s
		}
		if s.hello = append(s.hello, h); h.State == wire.StateReady {
			return s
		}
	}
}

// generate sends a request and gathers its answer.
func (s *service) generate(req *engine.Request) (text string, result *engine.Result, err error) {
	_, text, result, err = s.answer(req)
	return text, result, err
}

// answer also gives what the engine said first.
func (s *service) answer(req *engine.Request) (first *engine.Start, text string, result *engine.Result, err error) {
	events, err := s.events(context.Background(), req)
	var b strings.Builder
	for _, ev := range events {
		b.WriteString(ev.Text)
		if ev.Start != nil {
			first = ev.Start
		}
		result = ev.Result
	}
	return first, b.String(), result, err
}

// events gathers what the engine says, until ctx is done.
func (s *service) events(ctx context.Context, req *engine.Request) (out []engine.Event, err error) {
	body, err := wire.EncodeRequest(ctx, req)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://worker"+wire.PathGenerate, body)
	if err != nil {
		return nil, err
	}
	r.ContentLength = body.Size()
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		var e wire.Error
		if err := dec.Decode(&e); err != nil {
			return nil, err
		}
		return nil, e.Unpack()
	}
	for {
		var f wire.Frame
		if err := dec.Decode(&f); err != nil {
			return out, err
		}
		if f.Error != nil {
			return out, f.Error.Unpack()
		}
		if out = append(out, *f.Event); f.Event.Result != nil {
			return out, nil
		}
	}
}

// manifest is what transformers made of the reference prompts.
type manifest struct {
	Cases []struct {
		Name      string         `json:"name"`
		Pieces    []engine.Piece `json:"pieces"`
		IDs       []int32        `json:"ids"`
		Positions [3][]int32     `json:"positions"`
		RopeDelta int32          `json:"rope_delta"`
		Images    []struct {
			Width  int `json:"width"`
			Height int `json:"height"`
			Pixels struct {
				Offset int `json:"offset"`
			} `json:"pixels"`
		} `json:"images"`
	} `json:"cases"`
}

// requests makes a greedy request of each reference prompt.
func requests(t *testing.T, variant string, maxTokens int) (manifest, []*engine.Request) {
	t.Helper()
	var m manifest
	data, err := os.ReadFile(references + variant + "/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	pixels, err := os.ReadFile(references + variant + "/pixels.bin")
	if err != nil {
		t.Fatal(err)
	}
	var out []*engine.Request
	for _, c := range m.Cases {
		req := &engine.Request{ID: c.Name, Prompt: c.Pieces, MaxTokens: maxTokens}
		for _, img := range c.Images {
			size := 3 * img.Width * img.Height
			req.Images = append(req.Images, engine.Image{
				Width: img.Width, Height: img.Height, RGB: pixels[img.Pixels.Offset : img.Pixels.Offset+size],
			})
		}
		out = append(out, req)
	}
	return m, out
}

func TestTokensAndPositionsAreThoseOfTransformers(t *testing.T) {
	for _, variant := range []string{"dense-tied", "dense-untied", "moe"} {
		w, err := load(context.Background(), config(variant), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		m, reqs := requests(t, variant, 1)
		for i, c := range m.Cases {
			checkLayout(t, w, variant+"/"+c.Name, reqs[i], c.IDs, c.Positions, c.RopeDelta)
		}
	}
}

// checkLayout compares the tokens and positions that w gives req with those of transformers.
func checkLayout(t *testing.T, w *weights, name string, req *engine.Request, wantIDs []int32, wantAxes [3][]int32, ropeDelta int32) {
	t.Helper()
	image, _ := w.text.SpecialToken("<|image_pad|>")
	video, _ := w.text.SpecialToken("<|video_pad|>")
	spec, err := w.prepare(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int32
	var spans []multimodal.Span
	for _, s := range spec.Segments {
		if s.Image == nil {
			ids = append(ids, s.Tokens...)
			spans = append(spans, multimodal.Span{Tokens: len(s.Tokens)})
			continue
		}
		for range s.Len() {
			if s.Image.Pair {
				ids = append(ids, video)
			} else {
				ids = append(ids, image)
			}
		}
		spans = append(spans, multimodal.Span{Rows: s.Rows, Cols: s.Cols})
	}
	positions, next := multimodal.Positions(spans)
	var axes [3][]int32
	for _, p := range positions {
		axes[0], axes[1], axes[2] = append(axes[0], p.T), append(axes[1], p.H), append(axes[2], p.W)
	}
	if fmt.Sprint(ids) != fmt.Sprint(wantIDs) || fmt.Sprint(axes) != fmt.Sprint(wantAxes) || next-int32(len(ids)) != ropeDelta {
		t.Errorf("%s:\n%v %v %d, want\n%v %v %d", name, ids, axes, next, wantIDs, wantAxes, ropeDelta)
	}
}

// Prompts cut into small chunks and decoded together must give what each gives alone in one piece.
func TestCompanyAndChunksDoNotChangeGreedyAnswers(t *testing.T) {
	const maxTokens = 30
	alone := config("dense-tied")
	alone.MaxSequences, alone.BatchSize, alone.CacheType = 1, 128, "f32"
	together := config("dense-tied")
	together.CacheType, together.CacheTokens = "f32", 300 // too small for all at once
	_, reqs := requests(t, "dense-tied", maxTokens)
	one, many := start(t, alone), start(t, together)
	want := make([]string, len(reqs))
	for i, r := range reqs {
		text, result, err := one.generate(r)
		if err != nil || result.Usage.CompletionTokens == 0 {
			t.Fatalf("%s: %v", r.ID, err)
		}
		want[i] = text
	}
	var all sync.WaitGroup
	for range 3 {
		for i, r := range reqs {
			all.Go(func() {
				if text, _, err := many.generate(r); err != nil || text != want[i] {
					t.Errorf("%s: %q, %v, alone %q", r.ID, text, err, want[i])
				}
			})
		}
	}
	all.Wait()
}

func TestTheSameSeedGivesTheSameAnswer(t *testing.T) {
	c := config("dense-untied")
	c.PrefixCache = -1
	s := start(t, c)
	_, reqs := requests(t, "dense-untied", 40)
	answer := func(seed uint64) string {
		req := *reqs[2]
		req.Sampling = engine.Sampling{Temperature: 1, TopP: 0.95, Seed: &seed}
		text, _, err := s.generate(&req)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if a, b := answer(1), answer(1); a != b {
		t.Errorf("%q and %q", a, b)
	}
	if answer(1) == answer(2) {
		t.Error("two seeds gave the same answer")
	}
}

// What docs/COMPATIBILITY.md promises: alone, and computing all of its rows, a seeded request gives the same answer
// whatever was computed before, wherever in the cache its cells then lie, and with any number of threads.
func TestASeededAnswerAloneDoesNotDependOnWhatRanBeforeOrOnThreads(t *testing.T) {
	for _, variant := range []string{"dense-untied", "moe"} {
		c := config(variant)
		c.Threads, c.PrefixCache = 1, -1
		one := start(t, c)
		c.Threads = 3
		three := start(t, c)
		_, reqs := requests(t, variant, 40)
		seed := uint64(7)
		answer := func(s *service, i int) string {
			req := *reqs[i]
			req.Sampling = engine.Sampling{Temperature: 1, TopP: 0.95, Seed: &seed}
			text, _, err := s.generate(&req)
			if err != nil {
				t.Error(err)
			}
			return text
		}
		want := make([]string, len(reqs))
		for i := range reqs {
			want[i] = answer(one, i)
		}
		var all sync.WaitGroup
		for i := range reqs {
			all.Go(func() { answer(one, i) })
		}
		all.Wait()
		for i := len(reqs) - 1; i >= 0; i-- {
			if got := answer(one, i); got != want[i] {
				t.Errorf("%s/%s: after others %q, before %q", variant, reqs[i].ID, got, want[i])
			}
			if got := answer(three, i); got != want[i] {
				t.Errorf("%s/%s: with 3 threads %q, with one %q", variant, reqs[i].ID, got, want[i])
			}
		}
	}
}

func TestRequestsThatCannotBeHonouredAreRefused(t *testing.T) {
	c := config("dense-tied")
	c.ImageMemory = 1 << 20
	s := start(t, c)
	text := []engine.Piece{{Kind: engine.PieceText, Text: "hello"}}
	image := []engine.Piece{{Kind: engine.PieceImage, Image: 0}}
	pixels := func(w, h int) []engine.Image { return []engine.Image{{Width: w, Height: h, RGB: make([]byte, 3*w*h)}} }
	var length *engine.ContextLengthError
	var memory *engine.ImageMemoryError
	var field *engine.RequestError
	cases := map[string]struct {
		req  engine.Request
		want any
	}{
		"long prompt":   {engine.Request{Prompt: []engine.Piece{{Kind: engine.PieceText, Text: strings.Repeat("a b ", 500)}}}, &length},
		"many pixels":   {engine.Request{Prompt: image, Images: pixels(256, 256)}, &memory},
		"odd size":      {engine.Request{Prompt: image, Images: pixels(33, 32)}, &field},
		"missing image": {engine.Request{Prompt: image}, &field},
		"empty":         {engine.Request{}, &field},
		"bias":          {engine.Request{Prompt: text, Sampling: engine.Sampling{LogitBias: map[int32]float64{99999: 1}}}, &field},
		"logprobs":      {engine.Request{Prompt: text, Logprobs: true, TopLogprobs: 21}, &field},
		"first token":   {engine.Request{Prompt: text, FirstTop: 21}, &field},
		"thinking":      {engine.Request{Prompt: text, Thinking: engine.Thinking{Open: true}}, &field},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if _, _, err := s.generate(&tc.req); !errors.As(err, tc.want) {
				t.Errorf("%v", err)
			}
		})
	}
	if length == nil || length.ContextSize != 256 || length.PromptTokens == 0 {
		t.Errorf("%+v", length)
	}
	if _, _, err := s.generate(&engine.Request{Prompt: text, MaxTokens: 3}); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

func TestARefusalWithPixelsUnreadLeavesTheNextRequestAlone(t *testing.T) {
	s := start(t, config("dense-tied"))
	text := []engine.Piece{{Kind: engine.PieceText, Text: "hello"}}
	odd := &engine.Request{
		Prompt: []engine.Piece{{Kind: engine.PieceImage}}, Images: []engine.Image{{Width: 33, Height: 32, RGB: make([]byte, 33*32*3)}},
	}
	for range 20 {
		var field *engine.RequestError
		if _, _, err := s.generate(odd); !errors.As(err, &field) {
			t.Fatalf("the refused one: %v", err)
		}
		if _, _, err := s.generate(&engine.Request{Prompt: text, MaxTokens: 1}); err != nil {
			t.Fatalf("the next one: %v", err)
		}
	}
}

func TestTextModelsServeWithoutAProjector(t *testing.T) {
	c := config("moe")
	c.Projector = ""
	s := start(t, c)
	if text, result, err := s.generate(&engine.Request{Prompt: []engine.Piece{{Kind: engine.PieceText, Text: "hi"}}, MaxTokens: 5}); err != nil ||
		result.Usage.PromptTokens == 0 {
		t.Errorf("%q %v", text, err)
	}
	var field *engine.RequestError
	_, _, err := s.generate(&engine.Request{
		Prompt: []engine.Piece{{Kind: engine.PieceImage}}, Images: []engine.Image{{Width: 32, Height: 32, RGB: make([]byte, 3072)}},
	})
	if !errors.As(err, &field) {
		t.Errorf("%v", err)
	}
}

func TestFaultyConfigurationsFailBeforeAnyRequest(t *testing.T) {
	cases := map[string]func(*Config){
		"no model":             func(c *Config) { c.Model = "/no/such.gguf" },
		"foreign projector":    func(c *Config) { c.Projector = references + "moe/mmproj.gguf" },
		"projector as model":   func(c *Config) { c.Model = c.Projector },
		"context beyond model": func(c *Config) { c.ContextSize = 1 << 20 },
		"cache below context":  func(c *Config) { c.CacheTokens = 10 },
		"more than a batch":    func(c *Config) { c.MaxSequences = 64 },
		"cache type":           func(c *Config) { c.CacheType = "q3" },
	}
	for name, edit := range cases {
		t.Run(name, func(t *testing.T) {
			c := config("dense-tied")
			edit(&c)
			s := start(t, c)
			last := s.hello[len(s.hello)-1]
			if err := s.stop(); err == nil || last.State != wire.StateFailed || last.Error == "" {
				t.Errorf("%v, %+v", err, last)
			}
		})
	}
}

func TestInfoDescribesTheWeights(t *testing.T) {
	s := start(t, config("dense-tied"))
	resp, err := s.client.Get("http://worker" + wire.PathInfo)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var info engine.Info
	if err := json.NewDecoder(resp.Body).Decode(&info); err != nil {
		t.Fatal(err)
	}
	if info.ContextSize != 256 || info.VocabSize == 0 || !strings.Contains(info.ChatTemplate, "im_start") || len(info.SpecialTokens) == 0 ||
		info.Vision == nil || info.Vision.PatchSize != 16 || info.Vision.MergeSize != 2 || !strings.Contains(info.Name, "reference") {
		t.Errorf("%+v", info)
	}
}

func (s *service) tokenize(t *testing.T, pieces ...engine.Piece) []int32 {
	t.Helper()
	body, err := json.Marshal(wire.Text{Pieces: pieces})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Post("http://worker"+wire.PathTokenize, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out wire.Tokens
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Tokens
}
