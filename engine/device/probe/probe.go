// Package probe finds out which devices there are by asking children, one for each backend, so that a driver or library
// that crashes, hangs or cannot be loaded ends its child alone.
//
// It must not load a library itself, nor choose among what is found.
package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine/device"
)

// Command is the program that looks: with the folder of a backend as its last argument, or none for what is compiled
// in, it prints Found as JSON.
type Command struct {
	Path string
	Args []string
	Env  []string
	// Patience is how long it may take; 0 is a minute, which a driver that has to wake cards up may need.
	Patience time.Duration
}

// Found is what the program prints.
type Found struct {
	Devices []device.Device `json:"devices"`
	Fault   string          `json:"fault,omitempty"`
}

// BuiltIn is the name of the backends that are compiled in.
const BuiltIn = "built-in"

// Folders are those below root that hold a backend: NAME with libggml-NAME.so in it.
func Folders(root string) []string {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil // most machines have none
	}
	var out []string
	for _, e := range entries {
		folder := filepath.Join(root, e.Name())
		if _, err := os.Stat(filepath.Join(folder, "libggml-"+e.Name()+".so")); err == nil {
			out = append(out, folder)
		}
	}
	return out
}

// WithLibraries is env with the folders in front of where the system looks for libraries, and those in which NVIDIA's
// container runtime puts the driver behind.
func WithLibraries(env, folders []string) []string {
	const variable = "LD_LIBRARY_PATH="
	if len(folders) == 0 {
		return env
	}
	path := slices.Clone(folders)
	for _, e := range env { // the last counts
		if rest, ok := strings.CutPrefix(e, variable); ok && rest != "" {
			path = append(slices.Clone(folders), rest)
		}
	}
	path = append(path, "/usr/local/nvidia/lib", "/usr/local/nvidia/lib64")
	return append(slices.Clone(env), variable+strings.Join(path, ":"))
}

// List asks for what is compiled in and for each of the folders, all at a time. It returns when all children have
// ended.
func List(ctx context.Context, c Command, folders []string) []device.Report {
	reports := make([]device.Report, 1+len(folders))
	var asking sync.WaitGroup
	for i := range reports {
		asking.Go(func() {
			r := &reports[i]
			r.Backend = BuiltIn
			if i > 0 {
				r.Folder = folders[i-1]
				r.Backend = filepath.Base(r.Folder)
			}
			found, err := c.ask(ctx, r.Folder)
			r.Devices, r.Fault = found.Devices, found.Fault
			if err != nil {
				r.Devices, r.Fault = nil, err.Error()
			}
			if i > 0 { // what is compiled in is not this backend's
				r.Devices = slices.DeleteFunc(r.Devices, func(d device.Device) bool { return !strings.EqualFold(d.Backend, r.Backend) })
			}
		})
	}
	asking.Wait()
	return reports
}

// ask runs one child.
func (c *Command) ask(ctx context.Context, folder string) (f Found, err error) {
	patience := c.Patience
	if patience == 0 {
		patience = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	args, env := slices.Clone(c.Args), c.Env
	if folder != "" {
		args = append(args, folder)
		env = WithLibraries(env, []string{folder})
	}
	cmd := exec.CommandContext(ctx, c.Path, args...) //nolint:gosec // our own binary
	cmd.Env = env
	cmd.WaitDelay = time.Second // a driver's own children may hold the pipes
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return f, fmt.Errorf("looking for devices has not ended within %v: the driver hangs", patience)
	case err != nil:
		return f, fmt.Errorf("looking for devices ended with %w: %s", err, lastLine(said.String()))
	}
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		return f, errors.New("looking for devices said nothing that can be read: " + lastLine(out.String()+said.String()))
	}
	return f, nil
}

// lastLine is the last line of what a process wrote before any trace of Go's.
func lastLine(text string) string {
	text, _, _ = strings.Cut(text, "\ngoroutine ")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
