package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
)

func (s *Server) decodeAndResize(ctx context.Context, data []byte, in *imageInput) (engine.Image, error) {
	return engine.Image{}, nil
}

func mediaError(path string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	_ = multimodal.Image{}
	return &Error{Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: codeImage, Param: path, Message: "x", cause: err}
}
