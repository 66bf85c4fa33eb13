package multimodal

import "fmt"

// Kind says what is wrong with media, for callers that answer with different statuses.
type Kind string

// Kinds of errors.
const (
	KindURL           Kind = "url"             // malformed, or of another scheme
	KindForbidden     Kind = "forbidden"       // an address that may not be fetched
	KindFetch         Kind = "fetch"           // the other server failed
	KindTimeout       Kind = "timeout"         // the other server was too slow
	KindTooManyBytes  Kind = "too_many_bytes"  // beyond the byte limit
	KindTooManyPixels Kind = "too_many_pixels" // beyond the pixel limit
	KindFormat        Kind = "format"          // not an image format that is read
	KindCorrupt       Kind = "corrupt"         // an image that cannot be decoded
	KindAspectRatio   Kind = "aspect_ratio"    // too long and thin
	KindNoDecoder     Kind = "no_decoder"      // a program that decodes is missing here
	KindSelection     Kind = "selection"       // what was asked for is not in the video
	KindTooLong       Kind = "too_long"        // beyond the limit of frames or seconds
	KindDecodeTime    Kind = "decode_time"     // decoding took longer than is allowed
	KindBusy          Kind = "busy"            // others took the place or the memory for it; nothing is wrong with the media
)

// Error is a fault of media from outside.
type Error struct {
	Kind Kind
	// Message is a sentence for the client; it holds no addresses.
	Message string
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, for logs; it may name addresses.
func (e *Error) Unwrap() error { return e.cause }

// NewError makes an *Error for the packages below this one. message is a sentence for the client and holds no
// addresses.
func NewError(kind Kind, cause error, message string) *Error {
	return &Error{Kind: kind, Message: message, cause: cause}
}

func fault(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), cause: cause}
}
