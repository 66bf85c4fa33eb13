package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/pflag"

	"github.com/qwenvld/qwenvld/config"
)

// settingsOf reads name as `serve --config name` does.
func settingsOf(name string) *settings {
	return &settings{level: &slog.LevelVar{}, read: func() (*config.Config, *config.Places, error) {
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		config.AddFlags(flags)
		if err := flags.Parse([]string{"--config", name}); err != nil {
			return nil, nil, err
		}
		return config.Trace(flags, nil)
	}}
}

func TestAConfigurationIsTakenOverAsAWholeOrNotAtAll(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("limits: {images: 1}\n")
	s := settingsOf(name)
	first, err := s.load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	var applied *config.Config
	refuse := error(nil)
	r := &reloader{settings: s, logger: slog.New(slog.NewTextHandler(&log, nil)), now: first, apply: func(c *config.Config) error {
		if refuse == nil {
			applied = c
		}
		return refuse
	}}
	for _, c := range []struct {
		file, logged string
		refuse       error
		images       int // of the configuration that holds then
	}{
		{file: "limits: {images: 2}\nlog: {level: debug}\n", logged: "changed=\"[log.level limits.images]\"", images: 2},
		{file: "limits: {images: 3\n", logged: "not valid YAML", images: 2},
		{file: "limits: {images: 3}\nlisten: 127.0.0.1:1\nlog: {level: debug}\n", logged: "restart_for=[listen] also_changed=[limits.images]", images: 2},
		{file: "limits: {images: 3}\nlog: {level: error}\n", refuse: errors.New("no such weights"), logged: "no such weights", images: 2},
		{file: "limits: {images: 3}\nlog: {level: debug}\n", logged: "configuration reloaded", images: 3},
	} {
		log.Reset()
		refuse = c.refuse
		write(c.file)
		r.reload()
		if !strings.Contains(log.String(), c.logged) || applied.Limits.Images != c.images || r.now.config != applied || s.level.Level() != slog.LevelDebug {
			t.Errorf("%s: %s; %d images, level %s", c.file, log.String(), applied.Limits.Images, s.level.Level())
		}
	}
}

func TestFilesThatChangeAreReadAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := settingsOf(name)
	first, err := s.load(nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		applied := takenOver(t, s, first)
		synctest.Wait() // it has seen the file as it is
		if err := os.WriteFile(name, []byte("limits: {images: 7}\n"), 0o600); err != nil {
			t.Error(err)
		}
		if c := <-applied; c.Limits.Images != 7 {
			t.Errorf("%d images", c.Limits.Images)
		}
	})
}

// takenOver watches the files of first until the bubble of the test ends, and gives what is applied.
func takenOver(t *testing.T, s *settings, first *loaded) <-chan *config.Config {
	ctx, cancel := context.WithCancel(t.Context())
	applied := make(chan *config.Config)
	r := &reloader{settings: s, logger: slog.New(slog.DiscardHandler), now: first, apply: func(c *config.Config) error {
		applied <- c
		return nil
	}}
	var running sync.WaitGroup
	running.Go(func() { r.watch(ctx, nil) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return applied
}

func TestFilesThatChangeWhileTheyAreReadAreReadAgain(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "c.yaml")
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	write("")
	s := settingsOf(name)
	read, late := s.read, ""
	s.read = func() (*config.Config, *config.Places, error) {
		c, places, err := read()
		if late != "" { // somebody writes the file right after it was read
			write(late)
			late = ""
		}
		return c, places, err
	}
	first, err := s.load(nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		// One is changed before anybody watches, the other while it is read for that.
		write("limits: {images: 7}\n")
		late = "limits: {images: 11}\nlog: {level: debug}\n"
		applied := takenOver(t, s, first)
		for _, want := range []int{7, 11} {
			select {
			case c := <-applied:
				if c.Limits.Images != want {
					t.Errorf("%d images, want %d", c.Limits.Images, want)
				}
			case <-time.After(time.Hour):
				t.Errorf("the change to %d images was missed", want)
			}
		}
	})
}

func TestTheFilesOfARefusedConfigurationAreWatched(t *testing.T) {
	folder := t.TempDir()
	name, weights := filepath.Join(folder, "c.yaml"), filepath.Join(folder, "weights.json")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := settingsOf(name)
	first, err := s.load(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &reloader{settings: s, logger: slog.New(slog.DiscardHandler), now: first, seen: first.files, apply: func(*config.Config) error {
		_, err := os.Stat(weights)
		return err
	}}
	if err := os.WriteFile(name, []byte("router: {weights: weights.json}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload()
	if r.now != first || r.seen.changed() {
		t.Fatal("taken over without its weights, or to be read again for nothing")
	}
	if err := os.WriteFile(weights, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !r.seen.changed() {
		t.Error("the weights that were missing came unnoticed")
	}
}
