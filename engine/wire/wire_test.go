package wire

import (
	"bytes"
	"context"
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
		Thinking: engine.Thinking{Open: true, Empty: true, Budget: 9, CloseText: "x</think>", EndTag: "</think>"},
	}
}

func encoded(t testing.TB, req *engine.Request) []byte {
	t.Helper()
	body, err := EncodeRequest(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if err != nil || int64(len(data)) != body.Size() {
		t.Fatalf("%d bytes, said %d: %v", len(data), body.Size(), err)
	}
	return data
}

// decoded reads a request with its pixels, as if they had been there from the beginning.
func decoded(r io.Reader) (*engine.Request, error) {
	req, pixels, err := DecodeRequest(r)
	if err != nil {
		return nil, err
	}
	if err := pixels.Read(); err != nil {
		return nil, err
	}
	for i := range req.Images {
		img := &req.Images[i]
		if img.RGB, err = img.Bytes(context.Background()); err != nil {
			return nil, err
		}
		img.Later = nil
	}
	return req, nil
}

func TestRequestsSurviveTheWayWithTheirPixels(t *testing.T) {
	req := sample()
	// One byte at a time: buffering in the JSON decoder must not eat pixels.
	for _, r := range []io.Reader{bytes.NewReader(encoded(t, req)), &slowReader{data: encoded(t, req)}} {
		got, err := decoded(r)
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
		if _, err := decoded(bytes.NewReader(data[:n])); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(data))
		}
	}
	for _, head := range []string{
		`{"images":[{"width":0,"height":1}]}`, `{"images":[{"width":-1,"height":-1}]}`,
		`{"images":[{"width":1048576,"height":1048576}]}`, `{"images":[{"width":99999999999,"height":1}]}`,
	} {
		if _, _, err := DecodeRequest(strings.NewReader(head + "\n")); err == nil {
			t.Errorf("%s was accepted", head)
		}
	}
}

func TestImagesOfAWrongLengthAreNotSent(t *testing.T) {
	req := sample()
	req.Images[0].RGB = req.Images[0].RGB[1:]
	if _, err := EncodeRequest(context.Background(), req); err == nil {
		t.Error("accepted")
	}
	late := engine.NewPixels()
	late.Set([]byte("short"), nil)
	req = sample()
	req.Images[0].Later = late
	body, err := EncodeRequest(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); err == nil || body.Failed() == nil || body.Sent() == nil {
		t.Errorf("read %v, failed %v", err, body.Failed())
	}
}

// Frames of a video come one after the other; the request is sent as far as it is known, and ends with what went wrong.
func TestPixelsThatComeLaterAreWaitedFor(t *testing.T) {
	req := sample()
	want := encoded(t, req)
	late := engine.NewPixels()
	rgb := req.Images[1].RGB
	req.Images[1].Later, req.Images[1].RGB = late, nil
	body, err := EncodeRequest(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want)-len(rgb))
	if _, err := io.ReadFull(body, got); err != nil || body.Failed() != nil {
		t.Fatal(err, body.Failed())
	}
	go late.Set(rgb, nil)
	rest, err := io.ReadAll(body)
	if err != nil || string(got)+string(rest) != string(want) {
		t.Fatalf("%v, %d bytes", err, len(got)+len(rest))
	}
	_ = body.Close()
	if err := body.Sent(); err != nil {
		t.Error(err)
	}

	broken := errors.New("the decoder stopped")
	req.Images[1].Later = engine.NewPixels()
	req.Images[1].Later.Set(nil, broken)
	body, _ = EncodeRequest(context.Background(), req)
	_, err = io.ReadAll(body)
	_ = body.Close()
	if !errors.Is(err, broken) || !errors.Is(body.Sent(), broken) {
		t.Errorf("%v, %v", err, body.Sent())
	}

	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	req.Images[1].Later = engine.NewPixels()
	body, _ = EncodeRequest(ctx, req)
	cancel(gone)
	if _, err := io.ReadAll(body); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

func TestPairsCarryTwoFrames(t *testing.T) {
	req := sample()
	req.Images[0].Pair, req.Images[0].RGB = true, []byte("0123456789ab")
	got, err := decoded(bytes.NewReader(encoded(t, req)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(req, got); diff != "" {
		t.Error(diff)
	}
}

func TestPixelsThatDoNotComeAreToldToWhoWaits(t *testing.T) {
	data := encoded(t, sample())
	req, pixels, err := DecodeRequest(bytes.NewReader(data[:len(data)-1]))
	if err != nil {
		t.Fatal(err)
	}
	if pixels.Read() == nil {
		t.Error("a short body was accepted")
	}
	if _, err := req.Images[0].Bytes(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := req.Images[1].Bytes(context.Background()); err == nil {
		t.Error("the second image is there")
	}
}

func TestErrorsKeepTheirMeaning(t *testing.T) {
	for _, err := range []error{
		engine.ErrOverloaded, engine.ErrUnavailable, engine.ErrLate,
		&engine.ContextLengthError{PromptTokens: 1, ContextSize: 3},
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
		req, err := decoded(bytes.NewReader(data))
		if err != nil {
			return
		}
		if _, err := EncodeRequest(context.Background(), req); err != nil {
			t.Fatal(err)
		}
	})
}
