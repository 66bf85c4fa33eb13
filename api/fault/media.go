package fault

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
)

// Image explains what went wrong with the image at path. Errors that know better, and those of a cancelled request,
// pass.
func Image(path string, err error) error {
	var memory *engine.ImageMemoryError
	if errors.As(err, &memory) {
		return &Error{
			Status: http.StatusBadRequest, Type: TypeInvalidRequest, Code: CodeImageMemory, Param: path, Cause: err,
			Message: fmt.Sprintf("Encoding this image needs %s of memory and %s are allowed; send a smaller image, "+
				"detail low, or a smaller mm_processor_kwargs.max_pixels.", mebibytes(memory.NeededBytes), mebibytes(memory.LimitBytes)),
		}
	}
	var known *Error
	if errors.As(err, &known) {
		if known.Param == "" {
			named := *known
			named.Param = path
			return &named
		}
		return err
	}
	var media *multimodal.Error
	if !errors.As(err, &media) {
		return fmt.Errorf("%s: %w", path, err)
	}
	if media.Kind == multimodal.KindBusy {
		return Unavailable(CodeOverloaded, media.Message, err)
	}
	return mediaError(path, media, err, mediaCodes{
		broken: CodeImage, size: CodeImageMemory, slow: CodeImageMemory, fetch: CodeImageFetch, forbidden: CodeImageForbidden,
		noDecoder: CodeImage, tooLong: CodeImage,
	})
}

// Video explains err about the video at path; nil stays nil.
func Video(path string, err error) error {
	var media *multimodal.Error
	var known *Error
	if err == nil || errors.As(err, &known) || !errors.As(err, &media) {
		return err
	}
	if media.Kind == multimodal.KindBusy {
		return Unavailable(CodeOverloaded, media.Message, err)
	}
	return mediaError(path, media, err, mediaCodes{
		broken: CodeVideo, size: CodeVideoSize, slow: CodeVideoSize, fetch: CodeVideoFetch, forbidden: CodeVideoForbidden,
		noDecoder: CodeUnsupported, tooLong: CodeVideoSize,
	})
}

// mediaCodes are the codes of one medium for the kinds of what can go wrong.
type mediaCodes struct{ broken, size, slow, fetch, forbidden, noDecoder, tooLong string }

func mediaError(path string, media *multimodal.Error, cause error, codes mediaCodes) *Error {
	e := &Error{
		Status: http.StatusBadRequest, Type: TypeInvalidRequest, Code: codes.broken, Param: path, Message: media.Message, Cause: cause,
	}
	switch media.Kind {
	case multimodal.KindTooManyBytes, multimodal.KindTooManyPixels:
		e.Status, e.Code = http.StatusRequestEntityTooLarge, codes.size
	case multimodal.KindTooLong:
		if e.Code = codes.tooLong; e.Code == codes.size {
			e.Status = http.StatusRequestEntityTooLarge
		}
	case multimodal.KindDecodeTime:
		e.Code = codes.slow
	case multimodal.KindFetch, multimodal.KindTimeout:
		e.Code = codes.fetch
	case multimodal.KindForbidden:
		e.Code = codes.forbidden
	case multimodal.KindNoDecoder:
		e.Code = codes.noDecoder
	case multimodal.KindBusy, multimodal.KindURL, multimodal.KindFormat, multimodal.KindCorrupt, multimodal.KindAspectRatio,
		multimodal.KindSelection:
	}
	return e
}

func mebibytes(n int64) string {
	return strconv.FormatInt(int64(math.Ceil(float64(n)/(1<<20))), 10) + " MiB"
}
