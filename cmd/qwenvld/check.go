package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/gguf"
)

// checkModel finds what can be known to be wrong with the files of m, which key names, without loading them. Each fault
// is one line that names its file.
func checkModel(m *config.Model, key string) error {
	var faults []error
	said := map[string]bool{}
	add := func(at string, err error) {
		if err != nil && !said[err.Error()] { // both variants may share a projector
			said[err.Error()] = true
			faults = append(faults, fmt.Errorf("%s%s: %w", key, at, err))
		}
	}
	for _, v := range []struct {
		name string
		config.Weights
	}{{"instruct", m.Instruct}, {"thinking", m.Thinking}} {
		if v.Model == "" {
			continue
		}
		model, projector := checkFile(v.Model), error(nil)
		if v.Projector != "" {
			projector = checkFile(v.Projector)
		}
		add("."+v.name+".model", model)
		add("."+v.name+".projector", projector)
		if model != nil || projector != nil {
			continue
		}
		if err := gguf.CheckPair(v.Model, v.Projector); err != nil {
			add("."+v.name, explainForeign(err))
			continue
		}
		if file, err := gguf.ReadModel(v.Model); err == nil {
			_, err = workerConfig(&m.Engine, v.Weights).WithDefaults(file.TrainedContext())
			add(".engine", err)
		}
	}
	return errors.Join(faults...)
}

// checkFile says why name cannot be read as a file: reading a pipe would wait for ever.
func checkFile(name string) error {
	info, err := os.Stat(name)
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", name)
	case errors.As(err, &path):
		return fmt.Errorf("%s: %w", name, path.Err)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder, not a file", name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", name)
	}
	file, err := os.Open(name) //nolint:gosec // the operator names the file
	if errors.As(err, &path) {
		return fmt.Errorf("%s cannot be read: %w", name, path.Err)
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// readCertificate reads c's certificate and checks that the key belongs to it; nil where there is none.
func readCertificate(c *config.TLS) (*tls.Certificate, error) {
	if c.Certificate == "" {
		return nil, nil
	}
	files := map[string][]byte{}
	var faults []error
	for _, f := range []struct{ key, name string }{{"tls.certificate", c.Certificate}, {"tls.key", c.Key}} {
		err := checkFile(f.name)
		if err == nil {
			files[f.key], err = os.ReadFile(f.name)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", f.key, err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	pair, err := tls.X509KeyPair(files["tls.certificate"], files["tls.key"])
	if err != nil {
		return nil, fmt.Errorf("tls: certificate %s with key %s: %w", c.Certificate, c.Key, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("tls: certificate %s: %w", c.Certificate, err)
		}
	}
	return &pair, nil
}

// certificateWarning says in words why clients will not accept the certificate now; empty if nothing is known against
// it.
func certificateWarning(leaf *x509.Certificate, now time.Time) string {
	switch {
	case leaf == nil:
		return ""
	case now.After(leaf.NotAfter):
		return "the certificate ended on " + leaf.NotAfter.Format(time.DateOnly)
	case now.Before(leaf.NotBefore):
		return "the certificate begins only on " + leaf.NotBefore.Format(time.DateOnly)
	}
	return ""
}
