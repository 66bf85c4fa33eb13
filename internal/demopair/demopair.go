// Package demopair is the built-in pair of small models, for trying the daemon without a download, and the examples
// that show what they know: simple drawn scenes of shapes and numbers. tools/demopair trains them and tells how well
// they answer.
//
// It writes the files to disk, where workers can map them. It must not load or serve them.
package demopair

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed weights/*.gguf
var weights embed.FS

// Paths of the files. Both variants share one projector: their fine-tunings leave the vision tower as it is.
type Paths struct {
	Instruct, Thinking, Projector string
}

// Extract writes the files below dir, unless they are there already, in a folder named by their content.
func Extract(dir string) (Paths, error) {
	sum := sha256.New()
	entries, err := weights.ReadDir("weights")
	if err != nil {
		return Paths{}, fmt.Errorf("built-in models: %w", err)
	}
	files := make(map[string][]byte, len(entries))
	for _, e := range entries {
		data, err := weights.ReadFile("weights/" + e.Name())
		if err != nil {
			return Paths{}, fmt.Errorf("built-in models: %w", err)
		}
		files[e.Name()] = data
		fmt.Fprintln(sum, e.Name(), len(data))
		sum.Write(data)
	}
	dir = filepath.Join(dir, "demo-"+hex.EncodeToString(sum.Sum(nil))[:16])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Paths{}, fmt.Errorf("built-in models: %w", err)
	}
	for name, data := range files {
		if err := writeOnce(filepath.Join(dir, name), data); err != nil {
			return Paths{}, fmt.Errorf("built-in models: %w", err)
		}
	}
	return Paths{
		Instruct: filepath.Join(dir, "instruct.gguf"), Thinking: filepath.Join(dir, "thinking.gguf"),
		Projector: filepath.Join(dir, "projector.gguf"),
	}, nil
}

// writeOnce writes a file as a whole or not at all; one of the right size is taken to be it, since its folder is named
// by content.
func writeOnce(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(data)) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
