// Package wire is what the daemon and its worker processes say to each other: handshake lines on the worker's standard
// output, and requests and streams of frames over HTTP on a unix socket.
//
// Both sides are the same binary, so the format is private; Version guards against a binary that was replaced while running.
// The package holds no transport and must not decide anything: it encodes and decodes.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/qwenvld/qwenvld/engine"
)

// Version of the protocol.
const Version = 1

// Paths of the worker's HTTP server.
const (
	PathGenerate   = "/v1/generate"
	PathHealth     = "/v1/health"
	PathInfo       = "/v1/info"
	PathTokenize   = "/v1/tokenize"    //nolint:gosec // no secret
	PathTokenBytes = "/v1/token_bytes" //nolint:gosec // no secret
)

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
	// Progress of loading, 0..1.
	Progress float32 `json:"progress,omitempty"`
	// Error is set when failed.
	Error string `json:"error,omitempty"`
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
	case e.Kind == KindUnavailable:
		return engine.ErrUnavailable
	default:
		return fmt.Errorf("worker: %s", e.Message)
	}
}

// maxHeader bounds the JSON line of a request, maxImages the number and maxImageBytes the pixels of its images: more than any
// context holds. The sender is the daemon itself, so these only keep a broken stream from taking all memory.
const (
	maxHeader     = 256 << 20
	maxImages     = 1 << 16
	maxImageBytes = 4 << 30
)

// EncodeRequest returns req as a reader and its length in bytes: a line of JSON, then the pixels of all images. Pixels are
// not copied.
func EncodeRequest(req *engine.Request) (body io.Reader, size int64, err error) {
	head, err := json.Marshal(req)
	if err != nil {
		return nil, 0, fmt.Errorf("encode request: %w", err)
	}
	head = append(head, '\n')
	parts := make([][]byte, 0, 1+len(req.Images))
	parts = append(parts, head)
	size = int64(len(head))
	for i := range req.Images {
		img := &req.Images[i]
		if len(img.RGB) != 3*img.Width*img.Height {
			return nil, 0, fmt.Errorf("encode request: image %d has %d bytes, %dx%d needs %d",
				i, len(img.RGB), img.Width, img.Height, 3*img.Width*img.Height)
		}
		parts = append(parts, img.RGB)
		size += int64(len(img.RGB))
	}
	return &chain{parts: parts}, size, nil
}

// chain reads byte slices one after the other.
type chain struct{ parts [][]byte }

func (c *chain) Read(p []byte) (int, error) {
	for len(c.parts) > 0 {
		if len(c.parts[0]) > 0 {
			n := copy(p, c.parts[0])
			c.parts[0] = c.parts[0][n:]
			return n, nil
		}
		c.parts = c.parts[1:]
	}
	return 0, io.EOF
}

// DecodeRequest reads what EncodeRequest wrote.
func DecodeRequest(r io.Reader) (*engine.Request, error) {
	dec := json.NewDecoder(io.LimitReader(r, maxHeader))
	var req engine.Request
	if err := dec.Decode(&req); err != nil {
		return nil, fmt.Errorf("decode request: %w", err)
	}
	if len(req.Images) > maxImages {
		return nil, fmt.Errorf("decode request: %d images", len(req.Images))
	}
	rest := io.MultiReader(dec.Buffered(), r)
	var line [1]byte
	if _, err := io.ReadFull(rest, line[:]); err != nil || line[0] != '\n' {
		return nil, errors.New("decode request: no line end after the header")
	}
	total := int64(0)
	for i := range req.Images {
		img := &req.Images[i]
		const edge = 1 << 20
		if img.Width <= 0 || img.Height <= 0 || img.Width > edge || img.Height > edge {
			return nil, fmt.Errorf("decode request: image %d is %dx%d", i, img.Width, img.Height)
		}
		size := 3 * int64(img.Width) * int64(img.Height)
		if total += size; total > maxImageBytes {
			return nil, errors.New("decode request: too many pixels")
		}
		img.RGB = make([]byte, size)
		if _, err := io.ReadFull(rest, img.RGB); err != nil {
			return nil, fmt.Errorf("decode request: image %d: %w", i, err)
		}
	}
	return &req, nil
}
