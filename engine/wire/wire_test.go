package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine"
)

func sample() *engine.Request {
	seed := uint64(7)
	return &engine.Request{
		ID: "r1",
		Prompt: []engine.Piece{
			{Kind: engine.PieceControl, Text: "<|im_start|>user\n"},
			{Kind: engine.PieceImage, Image: 0},
			{Kind: engine.PieceText, Text: "한국어 \u2028 \n {}"},
			{Kind: engine.PieceImage, Image: 1},
		},
		Images: []engine.Image{
			{Width: 2, Height: 1, RGB: []byte("\n{\"a\"}")},
			{Width: 1, Height: 1, RGB: []byte{0, '\n', 255}},
		},
		MaxTokens: 5, Stop: []string{"\n"}, Logprobs: true, TopLogprobs: 3,
		Sampling: engine.Sampling{Temperature: 0.5, LogitBias: map[int32]float64{3: -1}, Seed: &seed},
		Thinking: engine.Thinking{Open: true, Budget: 9, CloseText: "x</think>", EndTag: "</think>"},
	}
}

func encoded(t testing.TB, req *engine.Request) []byte {
	t.Helper()
	body, size, err := EncodeRequest(req)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if err != nil || int64(len(data)) != size {
		t.Fatalf("%d bytes, said %d: %v", len(data), size, err)
	}
	return data
}

func TestRequestsSurviveTheWayWithTheirPixels(t *testing.T) {
	req := sample()
	// One byte at a time: buffering in the JSON decoder must not eat pixels.
	for _, r := range []io.Reader{bytes.NewReader(encoded(t, req)), &slowReader{data: encoded(t, req)}} {
		got, err := DecodeRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(req, got); diff != "" {
			t.Error(diff)
		}
	}
}

type slowReader struct{ data []byte }

func (s *slowReader) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	p[0] = s.data[0]
	s.data = s.data[1:]
	return 1, nil
}

func TestCutRequestsAreErrors(t *testing.T) {
	data := encoded(t, sample())
	for n := range data {
		if _, err := DecodeRequest(bytes.NewReader(data[:n])); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(data))
		}
	}
	for _, head := range []string{
		`{"images":[{"width":0,"height":1}]}`, `{"images":[{"width":-1,"height":-1}]}`,
		`{"images":[{"width":1048576,"height":1048576}]}`, `{"images":[{"width":99999999999,"height":1}]}`,
	} {
		if _, err := DecodeRequest(strings.NewReader(head + "\n")); err == nil {
			t.Errorf("%s was accepted", head)
		}
	}
}

func TestImagesOfAWrongLengthAreNotSent(t *testing.T) {
	req := sample()
	req.Images[0].RGB = req.Images[0].RGB[1:]
	if _, _, err := EncodeRequest(req); err == nil {
		t.Error("accepted")
	}
}

func TestErrorsKeepTheirMeaning(t *testing.T) {
	for _, err := range []error{
		engine.ErrOverloaded, engine.ErrUnavailable,
		&engine.ContextLengthError{PromptTokens: 1, MaxTokens: 2, ContextSize: 3},
		&engine.ImageMemoryError{Image: 1, NeededBytes: 2, LimitBytes: 3},
		&engine.RequestError{Field: "f", Message: "m"},
	} {
		got := ErrorOf(fmt.Errorf("wrapped: %w", err)).Unpack()
		if !errors.Is(got, err) && !reflect.DeepEqual(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
	if got := ErrorOf(errors.New("boom")).Unpack(); !strings.Contains(got.Error(), "boom") {
		t.Errorf("internal error became %v", got)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(encoded(f, sample()))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("width")) && len(data) > 1<<16 {
			return
		}
		req, err := DecodeRequest(bytes.NewReader(data))
		if err != nil {
			return
		}
		if _, _, err := EncodeRequest(req); err != nil {
			t.Fatal(err)
		}
	})
}
