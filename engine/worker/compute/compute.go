// Package compute carries out what package schedule decides: it decodes batches, has images encoded between them or
// on another device, and token masks built beside, draws tokens and sends them to whoever asked.
//
// One goroutine (Loop.Run) owns the model's context and every sequence; everything else talks to it through Jobs. The
// package knows the model only through small interfaces, so that it is tested with the race detector and without C++.
// It must not choose whose rows are computed, whose image is encoded or who is preempted, and must not tokenise, read
// files or speak HTTP.
package compute

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
	"github.com/qwenvld/qwenvld/multimodal"
)

// Row is one input of a batch: a token, or an embedding row when Embedding is set. Batches never mix the two.
type Row struct {
	Token     int32
	Embedding []float32
	Position  multimodal.Position
	Sequence  int32
	// Logits asks for the row's logits.
	Logits bool
}

// Decoder computes rows against the KV cache. Only the loop calls it.
type Decoder interface {
	// Decode computes rows, at most Limits.BatchRows of them, and keeps none. ErrCacheFull means that nothing was
	// computed.
	Decode(rows []Row) error
	// Logits of row i of the last Decode, valid until the next one.
	Logits(i int) ([]float32, error)
	// Share has the sequence to see the cells of from at positions from p0 on and before p1, to the end where p1 is
	// negative.
	Share(from, to, p0, p1 int32)
	// Remove has a sequence not see its cells at these positions any more. Cells that no sequence sees are free.
	Remove(sequence, p0, p1 int32)
}

// Encoder turns images into embedding rows.
type Encoder interface {
	// Beside reports whether encodes compute beside batches, on a device that these leave alone. They are called from
	// other goroutines then, one run at a time; otherwise all calls but that of Memory come from the loop.
	Beside() bool
	// Memory is what encoding an image of this size takes. It is safe for concurrent use.
	Memory(width, height int) (int64, error)
	// Begin takes in images of one size.
	Begin(images []*engine.Image) (Encoding, error)
}

// Encoding is images on their way through an Encoder.
type Encoding interface {
	// Advance computes for about as long as within says, and reports whether the rows are there.
	Advance(ctx context.Context, within time.Duration) (done bool, err error)
	// Rows are those of all images, one after the other.
	Rows() []float32
	Close() error
}

// Vocabulary knows tokens. It is safe for concurrent use.
type Vocabulary interface {
	// Bytes of a token as shown to the client: none for control tokens.
	Bytes(token int32) []byte
	// Ends reports whether the token ends an answer.
	Ends(token int32) bool
	// EndTokens are all tokens for which Ends is true.
	EndTokens() []int32
}

// ErrCacheFull means that the KV cache has no free cells for a batch.
var ErrCacheFull = errors.New("no free cells in the KV cache")

// Options size a Loop.
type Options struct {
	schedule.Limits
	// MaxQueue bounds the jobs that wait for a slot.
	MaxQueue int
	// Rows keeps those of pictures, nil for none beyond their use.
	Rows *rowcache.Cache
	// Shelf has rows that are not among them; nil for none.
	Shelf Shelf
	// Guesses bound the tokens of a sequence that are computed ahead in a step; with none, no tokens are guessed.
	Guesses int
	Logger  *slog.Logger
}
