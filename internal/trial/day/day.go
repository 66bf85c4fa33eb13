// Package day goes through the day of whoever looks after a qwenvld, as its unit for systemd describes it: installs it,
// rotates its keys, fills its disk, restarts it, replaces it by another version. Clients ask all day, and none of their
// requests may be lost or refused.
//
// It must not do what an administrator could not: files, signals and commands are all there is.
package day

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/disk"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// Options say what is installed.
type Options struct {
	// Binary is the program, Source the repository's folder.
	Binary, Source string
	// Dir is a folder for the machine's root.
	Dir string
	// Environ is the environment of everything that is run.
	Environ []string
	// Out gets the table, Progress what happens at the moment.
	Out, Progress io.Writer
}

// day is the machine.
type day struct {
	*Options
	unit     *unit
	socket   *os.File
	d        *daemon.Daemon
	client   *traffic.Client
	ledger   *traffic.Ledger
	pictures []string
	keys     *keyring
	note     string
}

// step is a part of the day.
type step struct {
	name string
	// refuses says that requests may be refused meanwhile.
	refuses bool
	// quiet leaves clients out: nobody can be answered by a daemon that has ended.
	quiet bool
	do    func(ctx context.Context) error
}

// errFailed says that the table has something that must not be.
var errFailed = errors.New("requests were lost or refused")

// Run goes through the day and writes a table.
func Run(ctx context.Context, o *Options) (err error) {
	t := &day{Options: o, ledger: &traffic.Ledger{}}
	const few = 4
	if t.pictures, err = traffic.Pictures(few); err != nil {
		return err
	}
	if err := t.listen(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.socket.Close()) }()
	if err := t.install(ctx); err != nil {
		return err
	}
	small, err := disk.Mount(t.unit.below("/var"), "64m")
	if err == nil {
		defer func() { err = errors.Join(err, small.Unmount()) }()
	} else if !errors.Is(err, disk.ErrUnavailable) {
		return err
	}
	defer func() {
		if t.d != nil {
			t.d.Kill()
		}
	}()
	_, _ = fmt.Fprint(o.Out, "| step | took | sent | answered | refused with a reason | told in the stream | lost | |\n"+
		"| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	failed := false
	for _, s := range t.steps(small) {
		ok, err := t.step(ctx, &s)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", s.name, err, t.log())
		}
		failed = failed || !ok
	}
	if failed {
		return errFailed
	}
	return nil
}

func (t *day) steps(small *disk.Small) []step {
	steps := []step{
		{name: "started by its unit", do: t.start},
		{name: "keys rotated by SIGHUP", do: t.rotate},
		{name: "a configuration with a mistake", do: t.mistake},
	}
	if small != nil {
		steps = append(steps, step{name: "the disk is full", do: func(ctx context.Context) error { return t.fill(ctx, small) }})
	}
	return append(steps,
		step{name: "restarted", do: t.restart},
		step{name: "its program replaced, a worker killed", refuses: true, do: t.replace},
		step{name: "another version takes over", do: t.upgrade},
		step{name: "stopped", quiet: true, do: t.stop},
	)
}

// step does s while clients ask, and tells whether nothing was lost.
func (t *day) step(ctx context.Context, s *step) (ok bool, err error) {
	_, _ = fmt.Fprintf(t.Progress, "%s\n", s.name)
	t.ledger, t.note = &traffic.Ledger{}, ""
	stop := func() {}
	if t.client != nil && !s.quiet {
		stop = t.load(ctx)
	}
	began := time.Now()
	err = s.do(ctx)
	took := time.Since(began)
	daemon.Pause(ctx, time.Second)
	stop()
	c := t.ledger.Counts()
	n := &c.Outcomes
	_, _ = fmt.Fprintf(t.Out, "| %s | %v | %d | %d | %s | %d | %d | %s |\n", s.name, took.Round(100*time.Millisecond), c.Sent,
		n[traffic.Answered], c.Refusals(), n[traffic.Told], n[traffic.Lost], t.note)
	for _, loss := range c.Losses {
		_, _ = fmt.Fprintf(t.Progress, "lost: %s\n", loss)
	}
	return n[traffic.Lost] == 0 && (s.refuses || n[traffic.Refused] == 0), err
}

func (t *day) load(ctx context.Context) (stop func()) {
	const clients, pause = 4, 30 * time.Millisecond
	l := &traffic.Load{Client: t.client, Ledger: t.ledger, Clients: clients, Next: traffic.Mixed(t.pictures), Pause: pause}
	return l.Start(ctx)
}

// listen opens the socket that systemd would hold.
func (t *day) listen(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return errors.Join(errors.New("no TCP socket"), l.Close())
	}
	t.socket, err = tcp.File()
	if err = errors.Join(err, l.Close()); err != nil {
		return fmt.Errorf("hold the socket: %w", err)
	}
	return nil
}

// install does what the unit's file says at its head, below another root.
func (t *day) install(ctx context.Context) (err error) {
	file := filepath.Join(t.Source, "deploy/systemd/qwenvld.service")
	if t.unit, err = readUnit(file, t.Dir); err != nil {
		return err
	}
	for _, dir := range []string{"/usr/local/bin", "/etc/systemd/system", "/var"} {
		if err := os.MkdirAll(t.unit.below(dir), 0o755); err != nil { //nolint:gosec // as on any machine
			return fmt.Errorf("make the machine's folders: %w", err)
		}
	}
	commands, err := installed(file)
	if err != nil {
		return err
	}
	for _, words := range commands {
		if err := t.run(ctx, words); err != nil {
			return err
		}
	}
	return nil
}

// run carries out a command that is meant for the machine's root and the repository's folder.
func (t *day) run(ctx context.Context, words []string) error {
	args := append([]string(nil), words[1:]...)
	for i, word := range args {
		if filepath.IsAbs(word) {
			args[i] = t.unit.below(word)
			if strings.HasSuffix(word, "/") {
				args[i] += "/"
			}
		} else if word == "bin/qwenvld" {
			args[i] = t.Binary
		}
	}
	cmd := exec.CommandContext(ctx, words[0], args...) //nolint:gosec // the repository's own
	cmd.Dir, cmd.Env = t.Source, t.Environ
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return nil
}

func (t *day) log() string {
	if t.d == nil {
		return ""
	}
	return t.d.Log()
}
