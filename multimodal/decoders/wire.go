package decoders

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/qwenvld/qwenvld/multimodal"
)

// Both directions carry lines of JSON, some of which announce bytes that follow.

// request announces a job's data.
type request struct {
	Bytes     int   `json:"bytes"`
	MaxPixels int   `json:"max_pixels"`
	Width     int   `json:"width,omitempty"`
	Height    int   `json:"height,omitempty"`
	Frames    []int `json:"frames,omitempty"`
}

// reply announces the pixels of frame N, or ends the job.
type reply struct {
	N      int    `json:"n"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	Done   bool   `json:"done,omitempty"`
	Fault  *fault `json:"fault,omitempty"`
}

// fault is why a job failed; without a kind it is not the file's.
type fault struct {
	Kind    multimodal.Kind `json:"kind,omitempty"`
	Message string          `json:"message"`
	Cause   string          `json:"cause,omitempty"`
}

func faultOf(err error) *fault {
	var known *multimodal.Error
	if !errors.As(err, &known) {
		return &fault{Message: err.Error()}
	}
	f := &fault{Kind: known.Kind, Message: known.Message}
	if cause := known.Unwrap(); cause != nil {
		f.Cause = cause.Error()
	}
	return f
}

func (f *fault) err() error {
	if f.Kind == "" {
		return fmt.Errorf("decode: %s", f.Message)
	}
	var cause error
	if f.Cause != "" {
		cause = errors.New(f.Cause)
	}
	return multimodal.NewError(f.Kind, cause, f.Message)
}

func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

func readLine(r *bufio.Reader, v any) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

func writeJob(w io.Writer, j *multimodal.Job) error {
	err := writeLine(w, request{Bytes: len(j.Data), MaxPixels: j.MaxPixels, Width: j.Width, Height: j.Height, Frames: j.Frames})
	if err != nil {
		return err
	}
	_, err = w.Write(j.Data)
	return err
}

func readJob(r *bufio.Reader) (*multimodal.Job, error) {
	var q request
	if err := readLine(r, &q); err != nil {
		return nil, err
	}
	j := &multimodal.Job{Data: make([]byte, q.Bytes), MaxPixels: q.MaxPixels, Width: q.Width, Height: q.Height, Frames: q.Frames}
	_, err := io.ReadFull(r, j.Data)
	return j, err
}

// readImage reads the pixels that a reply announces.
func (a *reply) readImage(r io.Reader, j *multimodal.Job) (*multimodal.Image, error) {
	if a.Width <= 0 || a.Height <= 0 || j.Width > 0 && (a.Width != j.Width || a.Height != j.Height) ||
		j.Width == 0 && a.Width*a.Height > j.MaxPixels {
		return nil, fmt.Errorf("decode: a picture of %d x %d pixels was not asked for", a.Width, a.Height)
	}
	img := &multimodal.Image{Width: a.Width, Height: a.Height, RGB: make([]byte, 3*a.Width*a.Height)}
	_, err := io.ReadFull(r, img.RGB)
	return img, err
}
