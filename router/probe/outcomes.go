package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/qwenvld/qwenvld/router/train"
)

// outcomes is the file that outcomes are appended to, a whole line at a time.
type outcomes struct {
	known map[string]bool // keys of prompts that were asked, and whether their answers were scored

	mu   sync.Mutex
	file *os.File
}

// openOutcomes makes the file or goes on with it. What a crash left of a last line is cut off. The answers of other
// models are refused: weights fitted to a mixture fit neither.
func openOutcomes(name, model string) (*outcomes, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("outcomes: %w", err)
	}
	o := &outcomes{known: map[string]bool{}, file: f}
	if err := o.read(model); err != nil {
		return nil, errors.Join(fmt.Errorf("outcomes: %s: %w", name, err), f.Close())
	}
	return o, nil
}

func (o *outcomes) read(model string) error {
	data, err := io.ReadAll(o.file)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	err = train.EachLine(bytes.NewReader(data[:whole]), whole+1, func(line []byte) error {
		var l outcome
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		if l.Model != model {
			return fmt.Errorf("this file holds answers of %q, not of %q", l.Model, model)
		}
		o.known[l.Key] = l.Weak != nil
		return nil
	})
	if err != nil {
		return err
	}
	if err := o.file.Truncate(int64(whole)); err != nil {
		return err
	}
	_, err = o.file.Seek(int64(whole), io.SeekStart)
	return err
}

func (o *outcomes) append(l *outcome) error {
	data, err := l.marshal()
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.file.Write(data); err != nil {
		return fmt.Errorf("outcomes: %w", err)
	}
	return nil
}

// close has nothing left to write: every line was written when it came.
func (o *outcomes) close() { _ = o.file.Close() }
