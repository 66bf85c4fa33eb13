package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/api/tracing"
	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/internal/running"
	"github.com/qwenvld/qwenvld/multimodal/decoders"
)

// daemon is everything that serves, put together and checked as far as that is possible without running it.
type daemon struct {
	environment *environment
	config      *config.Config
	sources     []*source
	models      *catalog
	fetchers    fetchers
	decoders    *decoders.Pool
	store       responseStore   // nil where nothing is kept
	tracer      *tracing.Tracer // nil where requests are not traced
	server      *api.Server
	certificate *x509.Certificate // at start; nil without TLS
	// pair is the certificate that clients are shown, which can be exchanged.
	pair   *atomic.Pointer[tls.Certificate]
	url    string // where it can be reached from this machine
	logger *slog.Logger
}

// assemble makes a daemon, which the caller closes.
func assemble(ctx context.Context, e *environment, c *config.Config, logger *slog.Logger) (_ *daemon, err error) {
	d := &daemon{environment: e, config: fitToModel(c), logger: logger, pair: &atomic.Pointer[tls.Certificate]{}}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	clearLeftovers(e.tempDir, logger)
	limitMemory(c, logger)
	if err := d.check(ctx); err != nil {
		return nil, err
	}
	d.warn(llama.SystemInfo(), time.Now())
	if d.tracer, err = newTracer(ctx, e, &c.Tracing, logger); err != nil {
		return nil, err
	}
	var around transportAround
	if d.tracer != nil {
		around = d.tracer.Transport
	}
	if d.models, err = newCatalog(ctx, e, c, d.sources, around, logger); err != nil {
		return nil, err
	}
	d.fetchers = newFetchers(&d.config.Media)
	if d.decoders, err = newDecoders(e, &d.config.Media); err != nil {
		return nil, err
	}
	images := newDecoder(&d.config.Media, d.decoders)
	tool, err := newVideoTool(ctx, &d.config.Media.Video, images, logger)
	if err != nil {
		return nil, err
	}
	if d.store, err = openStore(ctx, &d.config.Responses); err != nil {
		return nil, err
	}
	d.server, err = newServer(d.config, d.models, mediaSources{d.fetchers, images, tool}, d.store, d.tracer, logger)
	return d, err
}

// warn logs what does not keep the daemon from serving and yet is hardly meant.
func (d *daemon) warn(system llama.SystemReport, now time.Time) {
	if system.Warning != "" {
		d.logger.Warn("slow build", "warning", system.Warning)
	}
	if w := certificateWarning(d.certificate, now); w != "" {
		d.logger.Warn("clients will not accept the certificate", "file", d.config.TLS.Certificate, "reason", w)
	}
}

// note lets commands on this machine find the daemon. The function that it returns ends that.
func (d *daemon) note() func() {
	note, err := running.Write(d.environment.tempDir, running.Daemon{
		PID: os.Getpid(), URL: d.url, Keys: len(d.config.Keys) > 0, Started: time.Now(),
	})
	if err != nil {
		d.logger.Debug("commands on this machine will not find this daemon by themselves", "error", err)
		return func() {}
	}
	return func() { _ = note.Remove() }
}

// check reads what the files named in the configuration say of themselves. It tells all faults at once.
func (d *daemon) check(ctx context.Context) error {
	var models error
	pair, certificate := readCertificate(&d.config.TLS)
	if pair != nil {
		d.pair.Store(pair)
		d.certificate = pair.Leaf
	}
	d.sources, models = findSources(ctx, d.environment, d.config, d.logger)
	return errors.Join(certificate, models)
}

func (d *daemon) close() {
	if d.models != nil {
		_ = d.models.rows.close() // no worker is left
	}
	d.fetchers.close()
	if d.decoders != nil {
		_ = d.decoders.Close() // no request is left
	}
	if d.store != nil {
		_ = d.store.Close() // all is written
	}
	closeTracer(d.tracer, d.logger)
}

// run serves on l until ctx is done, then drains. changes, unless nil, has it take over other configurations meanwhile.
func (d *daemon) run(ctx context.Context, l net.Listener, out io.Writer, changes *reloader) error {
	g, gctx := errgroup.WithContext(ctx)
	stopWorkers := sync.OnceFunc(d.models.run(ctx))
	defer stopWorkers()
	for _, m := range d.models.models {
		defer m.clusters.start(ctx)()
	}
	g.Go(func() error { return d.models.untilHopeless(gctx) })
	if out != nil {
		g.Go(func() error { d.greet(gctx, out); return nil })
	}
	if h, ok := d.store.(healer); ok {
		g.Go(func() error { heal(gctx, h); return nil })
	}
	if keep := d.config.Responses.Keep; d.store != nil && keep > 0 {
		g.Go(func() error { expire(gctx, d.store, keep, d.logger); return nil })
	}
	if changes != nil {
		g.Go(func() error { changes.run(gctx); return nil })
	}
	g.Go(func() error { return serveHTTP(gctx, d.config, l, d.secured(), d.server, d.logger, stopWorkers) })
	return g.Wait()
}

// secured is how https is spoken, nil where it is not.
func (d *daemon) secured() *tls.Config {
	if d.certificate == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return d.pair.Load(), nil },
	}
}
