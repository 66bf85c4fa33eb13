package compute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
	"github.com/qwenvld/qwenvld/engine/worker/sampler"
	"github.com/qwenvld/qwenvld/multimodal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The fake vocabulary: token n is the letter 'a'+n%26, with a few tokens of its own.
const (
	vocabSize  = 64
	tokenEnd   = 60
	tokenClose = 61 // "</t>"
	tokenHush  = 62 // a control token without text
)

type fakeVocab struct{}

func (fakeVocab) Bytes(t int32) []byte {
	switch t {
	case tokenEnd, tokenHush:
		return nil
	case tokenClose:
		return []byte("</t>")
	default:
		return []byte{byte('a' + t%26)}
	}
}
func (fakeVocab) Ends(t int32) bool  { return t == tokenEnd }
func (fakeVocab) EndTokens() []int32 { return fakeEnds }

var fakeEnds = []int32{tokenEnd}

// fakeModel is a model without weights: its logits are a function of all rows of the sequence, so a row that is lost,
// doubled, misplaced or given to another sequence changes the answer. It checks what llama.cpp demands of a batch.
type fakeModel struct {
	t     *testing.T
	cells int
	batch int
	// script, if set, overrides the logits' winner by the number of rows the sequence has.
	script func(sequence int32, rows int) (int32, bool)
	fail   func(rows []Row) error

	// worth, if set, is who says how many guesses are computed.
	worth sharer

	cache  map[int32][]*Row // cells that several sequences see are in each of them
	logits [][]float32
	steps  int
	rows   int // that were computed
	asked  int // of these, with logits
}

func newFakeModel(t *testing.T, cells int) *fakeModel {
	return &fakeModel{t: t, cells: cells, batch: 16, cache: map[int32][]*Row{}}
}

func (f *fakeModel) Decode(rows []Row) error {
	f.steps++
	f.check(rows)
	if f.fail != nil {
		if err := f.fail(rows); err != nil {
			return err
		}
	}
	if f.held()+len(rows) > f.cells {
		return ErrCacheFull
	}
	f.logits = make([][]float32, len(rows))
	for i, r := range rows {
		before := f.cache[r.Sequence]
		if n := len(before); n > 0 {
			last := before[n-1].Position
			if r.Embedding == nil && r.Position.T <= maxAxis(before) || r.Position.T < last.T {
				f.t.Errorf("sequence %d goes from position %v to %v", r.Sequence, last, r.Position)
			}
		} else if r.Position != (multimodal.Position{}) {
			f.t.Errorf("sequence %d begins at %v", r.Sequence, r.Position)
		}
		r.Embedding = slices.Clone(r.Embedding) // which is the caller's
		f.cache[r.Sequence] = append(before, &r)
		f.rows++
		if r.Logits {
			f.asked++
			f.logits[i] = f.row(r.Sequence)
		}
	}
	return nil
}

// held is how many cells are not free.
func (f *fakeModel) held() int {
	cells := map[*Row]bool{}
	for _, rows := range f.cache {
		for _, r := range rows {
			cells[r] = true
		}
	}
	return len(cells)
}

// maxAxis is the largest position of any axis.
func maxAxis(rows []*Row) int32 {
	m := int32(-1)
	for _, r := range rows {
		m = max(m, r.Position.T, r.Position.H, r.Position.W)
	}
	return m
}

func (f *fakeModel) check(rows []Row) {
	if len(rows) == 0 || len(rows) > f.batch {
		f.t.Errorf("a step of %d rows", len(rows))
	}
	for _, r := range rows {
		if (r.Embedding == nil) != (rows[0].Embedding == nil) {
			f.t.Error("a step mixes tokens and embedding rows")
		}
	}
}

func (f *fakeModel) row(sequence int32) []float32 {
	h := fnv.New64a()
	for _, r := range f.cache[sequence] {
		fmt.Fprint(h, r.Token, r.Embedding, r.Position)
	}
	sum := h.Sum64()
	out := make([]float32, vocabSize)
	for i := range out {
		sum = sum*6364136223846793005 + 1442695040888963407
		out[i] = float32(sum>>40) / (1 << 22)
	}
	out[tokenEnd], out[tokenClose], out[tokenHush] = -9, -9, -9
	if f.script != nil {
		if t, ok := f.script(sequence, len(f.cache[sequence])); ok {
			out[t] = 99
		}
	}
	return out
}

func (f *fakeModel) Logits(i int) ([]float32, error) {
	if f.logits[i] == nil {
		return nil, errors.New("no logits were asked for")
	}
	return f.logits[i], nil
}

func within(r *Row, p0, p1 int32) bool { return r.Position.T >= p0 && (p1 < 0 || r.Position.T < p1) }

func (f *fakeModel) Share(from, to, p0, p1 int32) {
	rows := f.cache[to]
	for _, r := range f.cache[from] {
		if within(r, p0, p1) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b *Row) int { return cmp.Compare(a.Position.T, b.Position.T) })
	f.cache[to] = rows
}

func (f *fakeModel) Remove(sequence, p0, p1 int32) {
	rows := slices.DeleteFunc(slices.Clone(f.cache[sequence]), func(r *Row) bool { return within(r, p0, p1) })
	if f.cache[sequence] = rows; len(rows) == 0 {
		delete(f.cache, sequence)
	}
}

// fakeEncoder gives an image's first byte as its rows, after a few slices. It fails the test when two calls overlap.
type fakeEncoder struct {
	t  *testing.T
	mu sync.Mutex
	// gate, if set, has it compute beside the loop, and each image takes one.
	gate chan struct{}
	err  error
	// begun counts images, runs how often some were begun, and open those that are not closed.
	begun, runs, open atomic.Int32
	slices            int // that each run takes, beyond the last
	slice             time.Duration
}

func (e *fakeEncoder) Beside() bool                            { return e.gate != nil }
func (e *fakeEncoder) Memory(width, height int) (int64, error) { return int64(width * height), nil }

func (e *fakeEncoder) Begin(images []*engine.Image) (Encoding, error) {
	if e.err != nil {
		return nil, e.err
	}
	e.begun.Add(int32(len(images)))
	e.runs.Add(1)
	e.open.Add(1)
	f := &fakeEncoding{encoder: e, images: images, left: e.slices}
	for _, img := range images {
		if rgb, err := img.Bytes(context.Background()); err != nil || rgb == nil || img.Width != images[0].Width || img.Height != images[0].Height {
			e.t.Error("images without pixels, or of several sizes")
		}
	}
	return f, nil
}

type fakeEncoding struct {
	encoder *fakeEncoder
	images  []*engine.Image
	left    int
}

func (f *fakeEncoding) Advance(ctx context.Context, within time.Duration) (done bool, err error) {
	e := f.encoder
	if !e.mu.TryLock() {
		e.t.Error("two images are encoded at once")
		return false, errors.New("busy")
	}
	defer e.mu.Unlock()
	if within <= 0 {
		e.t.Error("no time")
	}
	for range f.images {
		if e.gate == nil {
			break
		}
		select {
		case <-e.gate:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	time.Sleep(e.slice) // which is set in bubbles of synctest only
	f.left--
	return f.left < 0, nil
}

func (f *fakeEncoding) Rows() (rows []float32) {
	const width = 2
	for _, img := range f.images {
		rgb, _ := img.Bytes(context.Background())
		for i := range img.Width * img.Height * width {
			rows = append(rows, float32(rgb[0])+float32(i)/1000)
		}
	}
	return rows
}

func (f *fakeEncoding) Close() error {
	f.encoder.open.Add(-1)
	return nil
}

// text makes a segment of tokens, picture one of an image.
func text(tokens ...int32) Segment { return Segment{Tokens: tokens} }

func picture(content byte, rows, cols int) Segment {
	return Segment{Image: &engine.Image{Width: cols, Height: rows, RGB: []byte{content}}, Rows: rows, Cols: cols}
}

func spec(maxTokens int, segments ...Segment) Spec {
	return Spec{
		ID: "t", Segments: segments, MaxTokens: maxTokens,
		Sampler: sampler.New(engine.Sampling{}, nil, 0), Answer: answer.New(answer.Options{}),
	}
}

// start runs a loop until the test ends.
func start(t *testing.T, m *fakeModel, e Encoder, o Options) *Loop {
	t.Helper()
	o.Cells, o.BatchRows = m.cells, m.batch
	if o.Sequences == 0 {
		o.Sequences = 4
	}
	if o.MaxQueue == 0 {
		o.MaxQueue = 100
	}
	if o.PrefillRows == 0 {
		o.PrefillRows = 5
	}
	l := New(o, m, e, fakeVocab{})
	if m.worth != nil {
		l.worth = m.worth
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if len(m.cache) > 0 && !t.Failed() {
			for id := range m.cache {
				t.Logf("sequence %d was left in the cache", id)
			}
		}
	})
	return l
}

// outcome is what a job gave.
type outcome struct {
	text   string
	tokens []int32
	result *engine.Result
	err    error
}

func read(j *Job) (o outcome) {
	for {
		events, done, err := j.Events(context.Background())
		for _, ev := range events {
			o.text += ev.Text
			for _, t := range ev.Tokens {
				o.tokens = append(o.tokens, t.ID)
			}
			if ev.Result != nil {
				o.result = ev.Result
			}
		}
		if err != nil || done {
			o.err = err
			return o
		}
	}
}

func do(t *testing.T, l *Loop, s Spec) outcome {
	t.Helper()
	j, err := l.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return read(j)
}
