package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/arena"
	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/disk"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// settings tell daemons apart.
type settings struct {
	// engine is what the configuration says of the model's engine, config what else it says, in which DIR stands for
	// the daemon's folder.
	engine, config string
	// disk is the size of a file system for all that the daemon writes, "" for the trial's folder.
	disk string
}

// subject is a daemon that faults are done to, or only a folder for those that need none.
type subject struct {
	*Options
	settings settings
	apart    bool
	dir      string
	small    *disk.Small // nil for the usual one
	source   *silentSource
	arena    *arena.Arena
	seed     uint64
	note     string // of the fault that is done
	ledger   *traffic.Ledger
}

// open starts a daemon for f and its like, and leaves it ready and warm.
func (o *Options) open(ctx context.Context, f *fault) (_ *subject, err error) {
	s := &subject{Options: o, settings: f.settings, apart: f.apart, dir: filepath.Join(o.Dir, "d")}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if f.settings.disk != "" {
		if s.small, err = disk.Mount(s.dir, f.settings.disk); err != nil {
			return nil, err
		}
	}
	if f.apart {
		return s, nil
	}
	if s.source, err = openSilentSource(ctx); err != nil {
		return nil, err
	}
	// Pictures have less time than by default, so that a decoder that stands still is noticed while the trial lasts.
	config := fmt.Sprintf("media: {decode_timeout: 4s, allowed_hosts: [%q]}\n", s.source.host()) +
		strings.ReplaceAll(f.settings.config, "DIR", s.dir)
	s.arena, err = arena.Open(ctx, &arena.Options{
		Binary: o.Binary, Weights: o.Weights, Dir: s.dir, Environ: o.Environ, Engine: f.settings.engine, Config: config,
	})
	return s, err
}

// try does f and waits until the daemon is as it was.
func (s *subject) try(ctx context.Context, f *fault) (*Row, error) {
	s.ledger, s.note = &traffic.Ledger{}, ""
	stop := func() {}
	var outage func() time.Duration
	if !f.apart {
		s.arena.Ledger = s.ledger
		const clients = 4
		stop = s.arena.Load(ctx, clients)
		outage = s.watch(ctx)
	}
	err := f.run(ctx, s)
	stop()
	row := &Row{Name: f.name, Note: s.note, Counts: s.ledger.Counts()}
	if f.apart {
		return row, err
	}
	if err == nil {
		_, err = s.arena.Probe.AwaitReady(ctx)
	}
	if row.Outage = outage(); err != nil {
		return row, err
	}
	after, err := s.arena.Settled(ctx, s.arena.Before)
	if after == nil {
		return row, err
	}
	row.Remains = arena.Remains(s.arena.Before, after)
	return row, nil
}

// watch looks whether the daemon is ready, until the function that it returns is called, which tells for how long it
// was not.
func (s *subject) watch(ctx context.Context) (outage func() time.Duration) {
	watching, end := context.WithCancel(ctx)
	var total time.Duration
	var watcher sync.WaitGroup
	watcher.Go(func() {
		const often = 100 * time.Millisecond
		for last := time.Now(); watching.Err() == nil; {
			ready := s.arena.Probe.Ready(watching)
			now := time.Now()
			if !ready && watching.Err() == nil {
				total += now.Sub(last)
			}
			last = now
			daemon.Pause(watching, often)
		}
	})
	return func() time.Duration {
		end()
		watcher.Wait()
		return total
	}
}

func (s *subject) daemon() *daemon.Daemon { return s.arena.Daemon }

func (s *subject) log() string {
	if s.arena == nil {
		return ""
	}
	return s.daemon().Log()
}

// close ends the daemon and removes what it has written.
func (s *subject) close(ctx context.Context) (err error) {
	if s.arena != nil {
		err = s.arena.Close(ctx)
	}
	if s.source != nil {
		err = errors.Join(err, s.source.close())
	}
	if s.small != nil {
		err = errors.Join(err, s.small.Unmount())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// silentSource is a server that takes requests and never answers.
type silentSource struct {
	listener net.Listener
	server   *http.Server
	served   sync.WaitGroup
	asked    chan struct{} // gets a value for each request, while there is room
}

func openSilentSource(ctx context.Context) (*silentSource, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a source of pictures: %w", err)
	}
	s := &silentSource{listener: l, asked: make(chan struct{}, 64)}
	s.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case s.asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	})}
	s.served.Go(func() { _ = s.server.Serve(l) })
	return s, nil
}

func (s *silentSource) host() string { return s.listener.Addr().String() }

func (s *silentSource) close() error {
	err := s.server.Close()
	s.served.Wait()
	return err
}
