// Package wire is what the daemon and its worker processes say to each other: handshake lines on the worker's standard
// output, and requests and streams of frames over HTTP on a unix socket.
//
// Both sides are the same binary, so the format is private; Version guards against a binary that was replaced while
// running. The package must not decide anything or hold a transport: it encodes and decodes.
package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
)

// Version of the protocol.
const Version = 6

// Paths of the worker's HTTP server.
const (
	PathGenerate   = "/v1/generate"
	PathAnswerNow  = "/v1/answer_now"
	PathHealth     = "/v1/health"
	PathInfo       = "/v1/info"
	PathTokenize   = "/v1/tokenize"    //nolint:gosec // no secret
	PathTokenBytes = "/v1/token_bytes" //nolint:gosec // no secret
)

// HeaderHandle names a request at PathGenerate, so that PathAnswerNow can speak of it. Ids of requests are their
// clients' own, and may come twice.
const HeaderHandle = "X-Handle"

// ContentType of a stream of frames, one JSON object a line.
const ContentType = "application/x-ndjson"

// State is where a worker stands in its start.
type State string

// States in their order; a failed worker exits.
const (
	StateLoading State = "loading"
	StateReady   State = "ready"
	StateFailed  State = "failed"
)

// Hello is one handshake line.
type Hello struct {
	Protocol int   `json:"protocol"`
	State    State `json:"state"`
	// Stage of loading in a word, and its progress, 0..1.
	Stage    string  `json:"stage,omitempty"`
	Progress float32 `json:"progress,omitempty"`
	// Error is set when failed.
	Error string `json:"error,omitempty"`
}

// Health answers a check. That it comes says that the process runs; whether its computations do, the next one tells.
type Health struct {
	Decode Pulse `json:"decode"`
	Encode Pulse `json:"encode"`
	// Cells are those of the KV cache.
	Cells engine.Cells `json:"cells"`
	// Guesses count tokens that were computed ahead.
	Guesses engine.Guesses `json:"guesses"`
	// Pictures count those whose rows were needed.
	Pictures engine.Pictures `json:"pictures"`
	// Resident is how many bytes of the process are in memory, 0 where the system does not tell.
	Resident int64 `json:"resident"`
}

// Pulse is the progress of one kind of computation.
type Pulse struct {
	// Busy while there is something to compute.
	Busy bool `json:"busy"`
	// Beats grow with every small part of a computation, Steps with every whole one.
	Beats uint64 `json:"beats"`
	Steps uint64 `json:"steps"`
}

// Text asks for the tokens of pieces.
type Text struct {
	Pieces []engine.Piece `json:"pieces"`
}

// Tokens are those of a Text, or ask for TokenBytes.
type Tokens struct {
	Tokens []int32 `json:"tokens"`
}

// TokenBytes are what Tokens stand for.
type TokenBytes struct {
	Bytes [][]byte `json:"bytes"`
}

// Frame is one line of a stream: an event or, as the last line, an error.
type Frame struct {
	Event *engine.Event `json:"event,omitempty"`
	Error *Error        `json:"error,omitempty"`
}

// ErrorKind names the error values of package engine.
type ErrorKind string

// Kinds of errors; internal is everything without a value of its own.
const (
	KindUnavailable   ErrorKind = "unavailable"
	KindOverloaded    ErrorKind = "overloaded"
	KindLate          ErrorKind = "late"
	KindContextLength ErrorKind = "context_length"
	KindImageMemory   ErrorKind = "image_memory"
	KindRequest       ErrorKind = "request"
	KindInternal      ErrorKind = "internal"
)

// Error is an error on its way.
type Error struct {
	Kind          ErrorKind                  `json:"kind"`
	Message       string                     `json:"message,omitempty"`
	ContextLength *engine.ContextLengthError `json:"context_length,omitempty"`
	ImageMemory   *engine.ImageMemoryError   `json:"image_memory,omitempty"`
	Request       *engine.RequestError       `json:"request,omitempty"`
}

// ErrorOf packs err.
func ErrorOf(err error) *Error {
	var (
		length  *engine.ContextLengthError
		memory  *engine.ImageMemoryError
		request *engine.RequestError
	)
	switch {
	case errors.As(err, &length):
		return &Error{Kind: KindContextLength, ContextLength: length}
	case errors.As(err, &memory):
		return &Error{Kind: KindImageMemory, ImageMemory: memory}
	case errors.As(err, &request):
		return &Error{Kind: KindRequest, Request: request}
	case errors.Is(err, engine.ErrOverloaded):
		return &Error{Kind: KindOverloaded}
	case errors.Is(err, engine.ErrLate):
		return &Error{Kind: KindLate}
	case errors.Is(err, engine.ErrUnavailable):
		return &Error{Kind: KindUnavailable}
	default:
		return &Error{Kind: KindInternal, Message: err.Error()}
	}
}

// Unpack is the inverse of ErrorOf.
func (e *Error) Unpack() error {
	switch {
	case e.Kind == KindContextLength && e.ContextLength != nil:
		return e.ContextLength
	case e.Kind == KindImageMemory && e.ImageMemory != nil:
		return e.ImageMemory
	case e.Kind == KindRequest && e.Request != nil:
		return e.Request
	case e.Kind == KindOverloaded:
		return engine.ErrOverloaded
	case e.Kind == KindLate:
		return engine.ErrLate
	case e.Kind == KindUnavailable:
		return engine.ErrUnavailable
	default:
		return fmt.Errorf("worker: %s", e.Message)
	}
}

// maxHeader bounds the JSON line of a request, maxImages the number and maxImageBytes the pixels of its images: more
// than any context holds. The sender is the daemon itself, so these only keep a broken stream from taking all memory.
const (
	maxHeader     = 256 << 20
	maxImages     = 1 << 16
	maxImageBytes = 4 << 30
)

// EncodeRequest returns req as a Body: a line of JSON, then the pixels of all images. Pixels are not copied; those that
// are still to come are waited for until ctx is done.
func EncodeRequest(ctx context.Context, req *engine.Request) (*Body, error) {
	head, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	b := &Body{ctx: ctx, part: append(head, '\n'), images: req.Images, closed: make(chan struct{})}
	b.size = int64(len(b.part))
	for i := range req.Images {
		img := &req.Images[i]
		if img.Later == nil && int64(len(img.RGB)) != img.Size() {
			return nil, wrongLength(i, img, img.RGB)
		}
		b.size += img.Size()
	}
	return b, nil
}

func wrongLength(i int, img *engine.Image, rgb []byte) error {
	return fmt.Errorf("encode request: image %d has %d bytes, %dx%d needs %d", i, len(rgb), img.Width, img.Height, img.Size())
}

// Body reads a request. One goroutine reads it; Sent may be called on another.
type Body struct {
	ctx    context.Context //nolint:containedctx // the request's: a reader has no other way to be told
	part   []byte
	images []engine.Image
	next   int // of images
	size   int64

	once   sync.Once
	closed chan struct{}
	err    error // why it could not be read to its end; set before closed is
}

var _ io.ReadCloser = (*Body)(nil)

// Size in bytes.
func (b *Body) Size() int64 { return b.size }

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	for len(b.part) == 0 {
		if b.next == len(b.images) {
			return 0, io.EOF
		}
		img := &b.images[b.next]
		rgb, err := img.Bytes(b.ctx)
		if err == nil && int64(len(rgb)) != img.Size() {
			err = wrongLength(b.next, img, rgb)
		}
		if err != nil {
			b.end(err)
			return 0, err
		}
		b.part = rgb
		b.next++
	}
	n := copy(p, b.part)
	b.part = b.part[n:]
	return n, nil
}

// Close implements io.Closer. An HTTP client calls it when it has sent the body, or will not.
func (b *Body) Close() error {
	b.end(nil)
	return nil
}

func (b *Body) end(err error) {
	b.once.Do(func() {
		b.err = err
		close(b.closed)
	})
}

// Sent waits until the body is closed, and returns why it could not be read to its end, nil otherwise.
func (b *Body) Sent() error {
	<-b.closed
	return b.err
}

// Failed is Sent without waiting, nil where the body is still being sent.
func (b *Body) Failed() error {
	select {
	case <-b.closed:
		return b.err
	default:
		return nil
	}
}

// DecodeRequest reads what EncodeRequest wrote, up to the pixels, which are set as Later; the caller must have pixels
// read, or read none of them.
func DecodeRequest(r io.Reader) (req *engine.Request, pixels *PixelReader, err error) {
	dec := json.NewDecoder(io.LimitReader(r, maxHeader))
	req = &engine.Request{}
	if err := dec.Decode(req); err != nil {
		return nil, nil, fmt.Errorf("decode request: %w", err)
	}
	if len(req.Images) > maxImages {
		return nil, nil, fmt.Errorf("decode request: %d images", len(req.Images))
	}
	rest := io.MultiReader(dec.Buffered(), r)
	var line [1]byte
	if _, err := io.ReadFull(rest, line[:]); err != nil || line[0] != '\n' {
		return nil, nil, errors.New("decode request: no line end after the header")
	}
	total := int64(0)
	for i := range req.Images {
		img := &req.Images[i]
		const edge = 1 << 20
		if img.Width <= 0 || img.Height <= 0 || img.Width > edge || img.Height > edge {
			return nil, nil, fmt.Errorf("decode request: image %d is %dx%d", i, img.Width, img.Height)
		}
		if total += img.Size(); total > maxImageBytes {
			return nil, nil, errors.New("decode request: too many pixels")
		}
		img.Later = engine.NewPixels()
	}
	return req, &PixelReader{from: rest, images: req.Images}, nil
}

// PixelReader reads the pixels of a decoded request.
type PixelReader struct {
	from   io.Reader
	images []engine.Image
}

// Read sets the pixels of each image as they come. After an error those that are missing have it.
func (p *PixelReader) Read() error {
	for i := range p.images {
		img := &p.images[i]
		rgb := make([]byte, img.Size())
		if _, err := io.ReadFull(p.from, rgb); err != nil {
			err = fmt.Errorf("decode request: image %d: %w", i, err)
			for j := i; j < len(p.images); j++ {
				p.images[j].Later.Set(nil, err)
			}
			return err
		}
		img.Later.Set(rgb, nil)
	}
	return nil
}
