package history

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
)

// compress returns b packed by gzip, nil for nil: streams repeat most of their bytes from event to event.
func compress(b []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// Unpack returns the events that Pack has packed, nil for nil.
func Unpack(events []byte) ([]byte, error) {
	if events == nil {
		return nil, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(events))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
