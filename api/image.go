package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
)

// decodeAndResize turns the bytes of an image into what the vision tower takes.
func (s *Server) decodeAndResize(ctx context.Context, data []byte, in *imageInput) (engine.Image, error) {
	width, height, _, err := multimodal.DecodeSize(data)
	if err != nil {
		return engine.Image{}, err
	}
	h, w, err := multimodal.SmartResize(height, width, in.factor, in.limits)
	if err != nil {
		return engine.Image{}, err
	}
	if err := in.reserve(w * h); err != nil {
		return engine.Image{}, err
	}
	defer s.cfg.Metrics.Prepared(metrics.Image, metrics.Decode)()
	img, err := s.cfg.Images.Decode(ctx, data, w, h)
	if err != nil {
		return engine.Image{}, err
	}
	return engine.Image{Width: img.Width, Height: img.Height, RGB: img.RGB}, nil
}

// mediaError explains err about the image at path. Errors that know better, and those of a cancelled request, pass.
func mediaError(path string, err error) error {
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
	e := &Error{
		Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: codeImage, Param: path, Message: media.Message, cause: err,
	}
	switch media.Kind {
	case multimodal.KindTooManyBytes, multimodal.KindTooManyPixels:
		e.Status, e.Code = http.StatusRequestEntityTooLarge, codeImageMemory
	case multimodal.KindFetch, multimodal.KindTimeout:
		e.Code = codeImageFetch
	case multimodal.KindForbidden:
		e.Code = codeImageForbidden
	case multimodal.KindBusy:
		return unavailable(codeOverloaded, media.Message, err)
	case multimodal.KindDecodeTime:
		e.Code = codeImageMemory
	case multimodal.KindURL, multimodal.KindFormat, multimodal.KindCorrupt, multimodal.KindAspectRatio,
		multimodal.KindNoDecoder, multimodal.KindSelection, multimodal.KindTooLong: // the last are of videos
	}
	return e
}
