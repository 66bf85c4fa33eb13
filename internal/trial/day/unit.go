package day

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// unit is a service as its file describes it to systemd, of which a trial carries out what concerns the program. What
// the kernel is to keep from it needs systemd itself.
type unit struct {
	root   string
	values map[string][]string
}

// readUnit reads the lines KEY=VALUE of a unit's file. The machine's root is another folder.
func readUnit(file, root string) (*unit, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the repository's own
	if err != nil {
		return nil, fmt.Errorf("read the unit: %w", err)
	}
	u := &unit{root: root, values: map[string][]string{}}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			u.values[key] = append(u.values[key], value)
		}
	}
	return u, nil
}

// below is where a path of the machine lies.
func (u *unit) below(path string) string { return filepath.Join(u.root, path) }

// installed are the commands in the head of a unit's file by which it is installed.
func installed(file string) ([][]string, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the repository's own
	if err != nil {
		return nil, fmt.Errorf("read the unit: %w", err)
	}
	var out [][]string
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(strings.TrimPrefix(line, "#"))
		if strings.HasPrefix(line, "#") && len(words) > 1 && words[0] == "install" {
			out = append(out, words)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s does not say how it is installed", file)
	}
	return out, nil
}

// environ are the unit's variables, with its paths below the root.
func (u *unit) environ() []string {
	var out []string
	for _, line := range u.values["Environment"] {
		for _, word := range strings.Fields(line) {
			name, value, _ := strings.Cut(word, "=")
			if filepath.IsAbs(value) {
				value = u.below(value)
			}
			out = append(out, name+"="+value)
		}
	}
	return out
}

// folders makes those that systemd makes for the service.
func (u *unit) folders() error {
	for key, parent := range map[string]string{"CacheDirectory": "/var/cache", "StateDirectory": "/var/lib"} {
		for _, name := range u.values[key] {
			if err := os.MkdirAll(u.below(filepath.Join(parent, name)), 0o700); err != nil {
				return fmt.Errorf("make the service's folders: %w", err)
			}
		}
	}
	return nil
}

// words are those of a command line, with its program and the process mainPID put in.
func (u *unit) words(line string, mainPID int) []string {
	words := strings.Fields(strings.ReplaceAll(line, "$MAINPID", strconv.Itoa(mainPID)))
	if program := u.below(words[0]); exists(program) {
		words[0] = program
	}
	return words
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// serves are the arguments of the service's own command, behind the program and serve.
func (u *unit) serves() ([]string, error) {
	lines := u.values["ExecStart"]
	const fixed = 2
	if len(lines) != 1 {
		return nil, fmt.Errorf("the unit has %d commands to start", len(lines))
	}
	words := u.words(lines[0], 0)
	if len(words) < fixed || words[1] != "serve" {
		return nil, fmt.Errorf("the unit starts %q", lines[0])
	}
	return words[fixed:], nil
}

// runs carries out the commands of a key one after the other, as long as they succeed.
func (u *unit) runs(ctx context.Context, key string, environ []string, mainPID int) error {
	for _, line := range u.values[key] {
		words := u.words(line, mainPID)
		cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the repository's own
		cmd.Env = append(append([]string(nil), environ...), u.environ()...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s=%s: %w\n%s", key, line, err, out)
		}
	}
	return nil
}

// patience is how long systemd waits for the service to end.
func (u *unit) patience() (time.Duration, error) {
	values := u.values["TimeoutStopSec"]
	if len(values) != 1 {
		return 0, errors.New("the unit does not say how long the service may take to end")
	}
	d, err := time.ParseDuration(values[0])
	if err != nil {
		return 0, fmt.Errorf("TimeoutStopSec: %w", err)
	}
	return d, nil
}
