package media

import (
	"bytes"
	"context"
	"encoding/base64"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
)

// VideoURI brings a video file in and gives it as a data URI.
func (l *Loader) VideoURI(ctx context.Context, ref *request.Video) (string, error) {
	if schemeOf(ref.URL) == schemeData {
		return ref.URL, nil
	}
	var file bytes.Buffer
	if err := l.writeVideo(ctx, ref, &file); err != nil {
		return "", fault.Video(ref.Path, err)
	}
	return asURI("video/mp4", file.Bytes()), nil
}

// PictureURI brings an image, or a frame of a list, in and gives it as a data URI.
func (l *Loader) PictureURI(ctx context.Context, ref *request.Image) (string, error) {
	if schemeOf(ref.URL) == schemeData {
		return ref.URL, nil
	}
	data, err := l.pictureBytes(ctx, ref.URL)
	if err != nil {
		return "", fault.Image(ref.Path, err)
	}
	return asURI("image/png", data), nil
}

// asURI writes bytes as a URI. Those who read it tell its format by its bytes.
func asURI(format string, data []byte) string {
	return "data:" + format + ";base64," + base64.StdEncoding.EncodeToString(data)
}
