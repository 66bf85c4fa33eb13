// Command trial puts a built qwenvld to the test as a whole: under faults, over a long time, and through the day of
// whoever looks after it. It is for those who work on qwenvld, not a part of it. It must not hold logic of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/day"
	"github.com/qwenvld/qwenvld/internal/trial/faults"
	"github.com/qwenvld/qwenvld/internal/trial/soak"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "trial:", err)
		os.Exit(1)
	}
}

const usage = "usage: trial faults|soak|day [-binary bin/qwenvld] [flags]"

// command are the flags that all trials have.
type command struct {
	flags                *flag.FlagSet
	binary, weights, dir string
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (err error) {
	if len(args) == 0 {
		return errors.New(usage)
	}
	c := &command{flags: flag.NewFlagSet("trial "+args[0], flag.ContinueOnError)}
	c.flags.SetOutput(stderr)
	c.flags.StringVar(&c.binary, "binary", "bin/qwenvld", "program under trial")
	c.flags.StringVar(&c.weights, "weights", "internal/demopair/weights", "folder with the built-in pair's files")
	var act func() error
	switch args[0] {
	case "faults":
		only := c.flags.String("only", "", "parts of the names of the faults to try, with commas between")
		mutants := c.flags.Int("mutants", 500, "damaged files of weights to try")
		act = func() error {
			o := &faults.Options{
				Binary: c.binary, Weights: c.weights, Dir: c.dir, Environ: environ, Mutants: *mutants, Out: stdout, Progress: stderr,
			}
			if *only != "" {
				o.Only = strings.Split(*only, ",")
			}
			return faults.Run(ctx, o)
		}
	case "soak":
		duration := c.flags.Duration("duration", 30*time.Minute, "how long clients ask")
		clients := c.flags.Int("clients", 4, "how many do")
		act = func() error {
			return soak.Run(ctx, &soak.Options{
				Binary: c.binary, Weights: c.weights, Dir: c.dir, Environ: environ, Duration: *duration, Clients: *clients,
				Out: stdout, Progress: stderr,
			})
		}
	case "day":
		act = func() error {
			source, err := filepath.Abs(".")
			if err != nil {
				return fmt.Errorf("find the repository: %w", err)
			}
			return day.Run(ctx, &day.Options{Binary: c.binary, Source: source, Dir: c.dir, Environ: environ, Out: stdout, Progress: stderr})
		}
	default:
		return errors.New(usage)
	}
	if err := c.flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("read the flags: %w", err)
	}
	if err := c.prepare(); err != nil {
		return err
	}
	began := time.Now()
	defer func() {
		err = errors.Join(err, os.RemoveAll(c.dir))
		_, _ = fmt.Fprintf(stderr, "took %v\n", time.Since(began).Round(time.Second))
	}()
	return act()
}

// prepare makes paths absolute and a folder for everything that is written.
func (c *command) prepare() (err error) {
	for _, path := range []*string{&c.binary, &c.weights} {
		if *path, err = filepath.Abs(*path); err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
		if _, err := os.Stat(*path); err != nil {
			return fmt.Errorf("find what is tried: %w", err)
		}
	}
	c.dir, err = os.MkdirTemp("", "trial-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	return nil
}
