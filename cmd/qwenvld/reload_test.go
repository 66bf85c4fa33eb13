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
	first, err := s.load()
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
	first, err := s.load()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		applied := make(chan *config.Config)
		r := &reloader{settings: s, logger: slog.New(slog.DiscardHandler), now: first, apply: func(c *config.Config) error {
			applied <- c
			return nil
		}}
		var running sync.WaitGroup
		running.Go(func() { r.watch(ctx, nil) })
		synctest.Wait() // it has seen the file as it is
		if err := os.WriteFile(name, []byte("limits: {images: 7}\n"), 0o600); err != nil {
			t.Error(err)
		}
		if c := <-applied; c.Limits.Images != 7 {
			t.Errorf("%d images", c.Limits.Images)
		}
		cancel()
		running.Wait()
	})
}
