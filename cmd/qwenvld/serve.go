package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/engine/process"
	"github.com/qwenvld/qwenvld/engine/worker"
	"github.com/qwenvld/qwenvld/internal/demopair"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
	"github.com/qwenvld/qwenvld/router/doubt"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the OpenAI HTTP API; without a configuration, with the built-in demo pair",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(cmd.Flags())
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, newLogger(c.Log))
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

func newLogger(c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.SlogLevel()}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// serve runs workers and the HTTP server until ctx is done, then drains.
func serve(ctx context.Context, c *config.Config, logger *slog.Logger) error {
	if s := llama.SystemInfo(); s.Warning != "" {
		logger.Warn("slow build", "warning", s.Warning)
	}
	model, err := chooseModel(c, logger)
	if err != nil {
		return err
	}
	if v := &c.Media.Video; len(c.Models) == 0 && v.MinPixels == 0 && v.MaxPixels == 0 {
		// The size of the clips that the demo pair was trained with (tools/demopair/batches.py).
		own := *c
		own.Media.Video.MinPixels, own.Media.Video.MaxPixels = 96*96, 96*128
		c = &own
	}
	supervisors, err := newSupervisors(model, logger)
	if err != nil {
		return err
	}
	fetchers := newFetchers(&c.Media)
	defer fetchers.close()
	tool, err := newVideoTool(ctx, &c.Media.Video, logger)
	if err != nil {
		return err
	}
	store, err := openStore(ctx, &c.Responses)
	if err != nil {
		return err
	}
	if store != nil {
		defer func() { _ = store.Close() }() // all is written
	}
	server, err := newServer(c, model.ID, supervisors, mediaWays{fetchers, tool}, store, logger)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	base := scheme(c) + "://" + listener.Addr().String()
	logger.Info("serving", "address", base, "model", model.ID, "version", version)
	if len(c.Models) == 0 {
		greeting, err := demopair.Greeting(base)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		fmt.Println(greeting)
	}

	// Workers outlive ctx: requests in flight need them while the server drains.
	workers, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorkers()
	g, gctx := errgroup.WithContext(ctx)
	var pool errgroup.Group
	for variant, s := range supervisors {
		pool.Go(func() error {
			if err := s.Run(workers); err != nil {
				return fmt.Errorf("%s weights: %w", variant, err)
			}
			return nil
		})
	}
	g.Go(func() error { return firstFailure(gctx, &pool) })
	if store != nil && c.Responses.Keep > 0 {
		g.Go(func() error { expire(gctx, store, c.Responses.Keep, logger); return nil })
	}
	g.Go(func() error { return serveHTTP(gctx, c, listener, server, logger, stopWorkers) })
	err = g.Wait()
	stopWorkers()
	_ = pool.Wait() // its error has been seen
	logger.Info("stopped")
	return err
}

func scheme(c *config.Config) string {
	if c.TLS.Certificate != "" {
		return "https"
	}
	return "http"
}

// firstFailure waits for the workers' end: an error while serving, nil after the drain.
func firstFailure(ctx context.Context, pool *errgroup.Group) error {
	failed := make(chan error, 1)
	go func() { failed <- pool.Wait() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// serveHTTP serves until ctx is done, then lets requests finish for the shutdown timeout.
func serveHTTP(ctx context.Context, c *config.Config, l net.Listener, s *api.Server, logger *slog.Logger, stopWorkers func()) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		if c.TLS.Certificate != "" {
			served <- srv.ServeTLS(l, c.TLS.Certificate, c.TLS.Key)
		} else {
			served <- srv.Serve(l)
		}
		close(served)
	}()
	select {
	case err := <-served:
		stopWorkers()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	logger.Info("draining", "timeout", c.ShutdownTimeout)
	s.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.ShutdownTimeout)
	defer cancel()
	err := srv.Shutdown(drain)
	if err == nil {
		err = s.Wait(drain)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		logger.Warn("requests are ended that did not finish in time")
		s.Abort()
		const grace = 2 * time.Second
		last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancelLast()
		if err = srv.Shutdown(last); err != nil {
			err = srv.Close()
		}
		err = errors.Join(err, s.Wait(last))
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// chooseModel is the configured model, or the demo pair.
func chooseModel(c *config.Config, logger *slog.Logger) (*config.Model, error) {
	if len(c.Models) > 0 {
		return &c.Models[0], nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	paths, err := demopair.Extract(filepath.Join(cache, "qwenvld"))
	if err != nil {
		return nil, err
	}
	logger.Warn("no model is configured: serving the built-in demo pair, which knows simple drawn scenes of shapes and numbers only")
	return &config.Model{
		ID:       "qwen3-vl",
		Instruct: config.Weights{Model: paths.Instruct, Projector: paths.Projector},
		Thinking: config.Weights{Model: paths.Thinking, Projector: paths.Projector},
	}, nil
}

// openStore opens where responses are kept, nil where they are not.
func openStore(ctx context.Context, c *config.Responses) (*history.Store, error) {
	switch c.Path {
	case config.ResponsesOff:
		return nil, nil
	case config.ResponsesInMemory:
		return history.Open(ctx, "", c.Bytes)
	default:
		return history.Open(ctx, c.Path, c.Bytes)
	}
}

// expire forgets responses that are older than keep, until ctx is done.
func expire(ctx context.Context, store *history.Store, keep time.Duration, logger *slog.Logger) {
	tick := time.NewTicker(min(keep, time.Hour))
	defer tick.Stop()
	for {
		if n, err := store.Expire(ctx, time.Now().Add(-keep)); err != nil {
			logger.Warn("old responses stay", "error", err)
		} else if n > 0 {
			logger.Info("forgot old responses", "count", n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// newSupervisors makes one supervisor for each variant that is configured.
func newSupervisors(m *config.Model, logger *slog.Logger) (map[router.Variant]*process.Supervisor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	environment := workerEnvironment(os.Environ(), m.Instruct.Model != "" && m.Thinking.Model != "")
	out := map[router.Variant]*process.Supervisor{}
	for variant, w := range map[router.Variant]config.Weights{router.Instruct: m.Instruct, router.Thinking: m.Thinking} {
		if w.Model == "" {
			continue
		}
		e := &m.Engine
		wc, err := json.Marshal(worker.Config{
			Model: w.Model, Projector: w.Projector, ContextSize: e.ContextSize, CacheTokens: e.CacheTokens, CacheType: e.CacheType,
			MaxSequences: e.MaxSequences, MaxQueue: e.MaxQueue, BatchSize: e.BatchSize, PrefillChunk: e.PrefillChunk,
			Threads: e.Threads, GPULayers: e.GPULayers, ImageMemory: e.ImageMemory, VisionCache: e.VisionCache,
		})
		if err != nil {
			return nil, fmt.Errorf("configure worker: %w", err)
		}
		out[variant] = process.New(process.Options{
			Command: process.Command{Path: self, Args: []string{"worker"}, Env: environment, Config: wc},
			Logger:  logger.With("variant", string(variant)),
		})
	}
	return out, nil
}

// workerEnvironment tells OpenMP how to wait between the steps of a token, unless the operator has. Spinning is fastest for one
// worker alone; two that spin on the same cores starve each other (up to 50 times slower on two cores), so they spin only briefly.
// Traces of Go's own would bury what ggml says before it ends the process.
func workerEnvironment(env []string, two bool) []string {
	defaults := []string{"GOTRACEBACK=none", "OMP_WAIT_POLICY=active"}
	if two {
		defaults = []string{"GOTRACEBACK=none", "OMP_WAIT_POLICY=passive", "GOMP_SPINCOUNT=2000"}
	}
	return append(defaults, env...)
}

func newServer(
	c *config.Config, name string, supervisors map[router.Variant]*process.Supervisor, media mediaWays, store *history.Store,
	logger *slog.Logger,
) (*api.Server, error) {
	var calibrated []byte
	if len(c.Models) == 0 {
		calibrated = demopair.RouterWeights()
	}
	r, weights, err := newRouter(&c.Router, calibrated)
	if err != nil {
		return nil, err
	}
	causes, err := doubt.ParseCauses(c.Router.Rerun.On)
	if err != nil {
		return nil, fmt.Errorf("router.rerun.on: %w", err)
	}
	look := &c.Router.SecondLook
	engines, workers := map[router.Variant]engine.Engine{}, map[router.Variant]metrics.Worker{}
	for variant, s := range supervisors {
		engines[variant], workers[variant] = s, s
	}
	a := api.Config{
		ModelName: name, Engines: engines, Router: r, RouterVersion: weights.Version, Logger: logger, Store: store,
		Limits: api.Limits{BodyBytes: c.Limits.BodyBytes, Images: c.Limits.Images, Videos: c.Limits.Videos},
		Media: api.MediaLimits{
			Pixels:       multimodal.PixelLimits{Min: c.Media.MinPixels, Max: c.Media.MaxPixels},
			SourcePixels: c.Media.ImagePixels, DataBytes: int(c.Media.ImageBytes),
			Video: api.VideoLimits{
				FPS: c.Media.Video.FPS, Frames: c.Media.Video.Frames, TotalPixels: c.Media.Video.TotalPixels,
				MinPixels: c.Media.Video.MinPixels, MaxPixels: c.Media.Video.MaxPixels, DataBytes: int(c.Media.Video.Bytes),
			},
		},
		SecondLook: api.SecondLook{
			Share: look.Share, Limits: doubt.Limits{Tokens: look.Tokens, Margin: look.Margin, Entropy: look.Entropy},
		},
		Video:     media.tool,
		Reasoning: api.ReasoningField(c.ReasoningField), MaxConcurrent: c.Limits.MaxConcurrent,
		Origins: c.CORS.AllowedOrigins, PublicMetrics: c.Metrics.Public,
		Rerun:   api.Rerun{Share: c.Router.Rerun.Share, Causes: causes},
		Metrics: metrics.New(metrics.Options{Version: version, RouterVersion: weights.Version, Workers: workers}),
	}
	for _, k := range c.Keys {
		hash, err := access.ParseHash(k.SHA256)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, err)
		}
		a.Keys = append(a.Keys, access.Key{
			Name: k.Name, Hash: hash, RequestsPerMinute: k.RequestsPerMinute, TokensPerMinute: k.TokensPerMinute, Concurrent: k.Concurrent,
		})
	}
	if f := media.fetchers; f.images != nil { // a nil *Fetcher in an interface is not nil
		a.Fetcher, a.VideoFetcher = f.images, f.videos
	}
	return api.New(a)
}

// newRouter loads the weights that the configuration names, else those calibrated to the model, else the shipped ones.
func newRouter(c *config.Router, calibrated []byte) (*router.Router, *difficulty.Model, error) {
	m, err := routerWeights(c.Weights, calibrated)
	if err != nil {
		return nil, nil, fmt.Errorf("router: %w", err)
	}
	r, err := router.New(m, c.Quality)
	return r, m, err
}

func routerWeights(file string, calibrated []byte) (*difficulty.Model, error) {
	if file != "" {
		var err error
		if calibrated, err = os.ReadFile(file); err != nil { //nolint:gosec // the operator names the file
			return nil, err
		}
	}
	if calibrated == nil {
		return difficulty.Default()
	}
	return difficulty.Load(calibrated)
}
