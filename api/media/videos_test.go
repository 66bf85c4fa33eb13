package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// film is a Source of black frames. read, if set, is asked before each.
type film struct {
	info   video.Info
	files  [][]byte
	read   func(ctx context.Context, n int) error
	closed int
}

var _ video.Source = (*film)(nil)

func (f *film) Info() *video.Info { return &f.info }

func (*film) Reach(indices []int) []int { return indices }

func (f *film) Read(ctx context.Context, indices []int, frame func(n int, img *multimodal.Image) error) error {
	for n := range indices {
		if f.read != nil {
			if err := f.read(ctx, n); err != nil {
				return err
			}
		}
		rgb := make([]byte, 3*f.info.Width*f.info.Height)
		if err := frame(n, &multimodal.Image{Width: f.info.Width, Height: f.info.Height, RGB: rgb}); err != nil {
			return err
		}
	}
	return nil
}

// Files implements video.Source.
func (f *film) Files() ([][]byte, error) { return f.files, nil }

func (f *film) Close() error {
	f.closed++
	return nil
}

// show makes Videos of films with what is wanted of each; the i-th is at the path film[i].
func show(t testing.TB, films []*film, wanted ...video.Request) *Videos {
	t.Helper()
	v := &Videos{meter: noMeter{}}
	for i, f := range films {
		in := &openVideo{ref: &request.Video{Path: at("film", i)}, wanted: wanted[i], source: f}
		if err := in.choose(); err != nil {
			t.Fatal(err)
		}
		v.videos = append(v.videos, in)
	}
	return v
}

// short is of four frames, which are two pairs of one token each.
func short() *film { return &film{info: video.Info{Width: 32, Height: 32, Frames: 4, FPS: 4}} }

func all(n int) video.Request {
	return video.Request{Factor: 32, Budget: video.DefaultPixelBudget(), Sampling: video.Sampling{NumFrames: n}}
}

// errorsOf waits for all pairs and tells what came of each.
func errorsOf(t *testing.T, pictures []engine.Image) []string {
	t.Helper()
	var out []string
	for _, img := range pictures {
		_, err := img.Bytes(t.Context())
		out = append(out, fmt.Sprint(err))
	}
	return out
}

// The pairs before a fault are there; of those after it, in this video and the next, the reason is told.
func TestPairsThatDoNotComeTellWhy(t *testing.T) {
	broken := multimodal.NewError(multimodal.KindCorrupt, nil, "The frame is damaged.")
	told := (&fault.Error{Param: "film[0]", Message: "The frame is damaged.", Cause: broken}).Error()
	for name, c := range map[string]struct {
		fail func() error
		want string
	}{
		"a fault of the video": {func() error { return broken }, told},
		"another":              {func() error { return io.ErrUnexpectedEOF }, io.ErrUnexpectedEOF.Error()},
		"a panic":              {func() error { panic("index out of range") }, "decoding a video panicked: index out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := short(), short()
			first.read = func(_ context.Context, n int) error {
				if n == 2 {
					return c.fail()
				}
				return nil
			}
			second.read = func(context.Context, int) error {
				t.Error("the second video is read")
				return nil
			}
			v := show(t, []*film{first, second}, all(4), all(4))
			m := &meter{}
			v.meter = m
			pictures := v.Images()
			v.Decode(t.Context())
			if diff := cmp.Diff([]string{"<nil>", c.want, c.want, c.want}, errorsOf(t, pictures)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"video decode"}, m.ended()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodingEndsWithItsContext(t *testing.T) {
	gone := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := short()
	f.read = func(ctx context.Context, n int) error {
		if n < 3 {
			return nil
		}
		cancel(gone)
		_, err := never(ctx, "")
		return fmt.Errorf("ffmpeg was killed: %w", err)
	}
	v := show(t, []*film{f}, all(4))
	pictures := v.Images()
	v.Decode(ctx)
	if diff := cmp.Diff([]string{"<nil>", gone.Error()}, errorsOf(t, pictures)); diff != "" {
		t.Error(diff)
	}
}

func TestPairsAreCountedOverAllVideos(t *testing.T) {
	films := []*film{short(), short()}
	v := show(t, films, all(4), all(3))
	v.videos = append(v.videos, &openVideo{ref: &request.Video{Path: "failed"}, plan: &video.Plan{}})
	var paths []string
	for i := range 5 {
		paths = append(paths, v.PicturePath(i))
	}
	if diff := cmp.Diff([]string{"film[0]", "film[0]", "film[1]", "film[1]", ""}, paths); diff != "" {
		t.Error(diff)
	}
	if first, second := v.Images(), v.Images(); len(first) != 4 || first[3].Later != second[3].Later {
		t.Error("the pixels that were promised are others the second time")
	}
	v.Close()
	if films[0].closed != 1 || films[1].closed != 1 {
		t.Errorf("closed %d and %d times", films[0].closed, films[1].closed)
	}
}

func TestNoVideosAreEmpty(t *testing.T) {
	var v *Videos
	v.Decode(t.Context())
	if len(v.Stamps()) != 0 || v.Tokens() != 0 || len(v.Images()) != 0 || v.PicturePath(0) != "" {
		t.Error("there is something")
	}
	if err := v.Fit(t.Context(), Room{}, nil); err != nil {
		t.Error(err)
	}
	v.Close()
	some, err := New(Options{}).OpenVideos(t.Context(), &request.Request{}, vision())
	if err != nil || some.Tokens() != 0 || some.Fit(t.Context(), Room{}, nil) != nil {
		t.Errorf("%v", err)
	}
	some.Close()
}
