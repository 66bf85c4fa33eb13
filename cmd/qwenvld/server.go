package main

import (
	"fmt"
	"log/slog"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/intake"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/api/openai/chat"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/tracing"
	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/router/escalation"
)

// newServer makes the server of the weights that members keep, by the ids of their models.
func newServer(
	c *config.Config, weights *catalog, media mediaSources, store responseStore, tracer *tracing.Tracer, logger *slog.Logger,
) (*api.Server, error) {
	a, err := serverConfig(c, weights.observed(), weights.observedUpstreams)
	if err != nil {
		return nil, err
	}
	a.Models, a.Logger, a.Store, a.Tracer = weights.served(), logger, store, tracer
	a.Images, a.Video = media.images, media.tool
	if f := media.fetchers; f.images != nil { // a nil *Fetcher in an interface is not nil
		a.Fetcher, a.VideoFetcher = f.images, f.videos
	}
	return api.New(a)
}

// serverConfig is what the configuration alone says of the server.
func serverConfig(c *config.Config, workers []metrics.Weights, upstreams func() []metrics.Upstream) (a api.Config, err error) {
	live, err := liveConfig(c)
	if err != nil {
		return a, err
	}
	rules := &live.Rules
	a = api.Config{
		Router: rules.Router, RouterVersion: rules.RouterVersion, Keys: live.Keys,
		Limits: live.Limits, Bodies: live.Bodies,
		Media: media.Limits{
			Pixels:    multimodal.PixelLimits{Min: c.Media.MinPixels, Max: c.Media.MaxPixels},
			DataBytes: int(c.Media.ImageBytes),
			Video: media.VideoLimits{
				FPS: c.Media.Video.FPS, Frames: c.Media.Video.Frames, TotalPixels: c.Media.Video.TotalPixels,
				MinPixels: c.Media.Video.MinPixels, MaxPixels: c.Media.Video.MaxPixels, DataBytes: int(c.Media.Video.Bytes),
				FetchTimeout: c.Media.Video.FetchTimeout,
			},
		},
		Reasoning: chat.ReasoningField(c.ReasoningField), Unknown: api.UnknownParameters(c.UnknownParameters),
		MayRepeat: !c.RepetitionDetection, KeyedPrefixes: c.PrefixScope == config.PrefixesOfKey,
		SecondLook: rules.SecondLook, Rerun: rules.Rerun,
		MaxConcurrent: rules.MaxConcurrent, MaxWaiting: rules.MaxWaiting, Patience: rules.Patience, MaxBacklog: rules.MaxBacklog,
		Timeout: rules.Timeout,
		Origins: c.CORS.AllowedOrigins, PublicMetrics: c.Metrics.Public, PublicInfo: c.Public,
		Playground: api.PlaygroundAccess(c.Playground), Hosts: ownNames(c),
		Metrics: metrics.New(metrics.Options{
			Version: version, RouterVersion: rules.RouterVersion, Workers: workers, Upstreams: upstreams, UpstreamStates: upstreamStates(),
		}),
	}
	if len(c.Models) == 0 {
		a.Samples, err = demoSamples()
	}
	return a, err
}

// liveConfig is what the configuration says of what can change while the server serves.
func liveConfig(c *config.Config) (*api.Live, error) {
	r, weights, err := newRouter(&c.Router, calibratedWeights(c))
	if err != nil {
		return nil, err
	}
	causes, err := escalation.ParseCauses(c.Router.Rerun.On)
	if err != nil {
		return nil, fmt.Errorf("router.rerun.on: %w", err)
	}
	look := &c.Router.SecondLook
	live := &api.Live{
		Limits: request.Limits{BodyBytes: c.Limits.BodyBytes, Images: c.Limits.Images, Videos: c.Limits.Videos},
		Bodies: intake.Limits{Total: c.Limits.AllBodyBytes, Rate: c.Limits.BodyRate},
		Rules: generation.Rules{
			Router: r, RouterVersion: weights.Version,
			SecondLook: generation.SecondLook{
				Share: look.Share, Limits: escalation.Thresholds{Tokens: look.Tokens, Margin: look.Margin, Entropy: look.Entropy},
			},
			Rerun:         generation.Rerun{Share: c.Router.Rerun.Share, Causes: causes},
			MaxConcurrent: c.Limits.MaxConcurrent, MaxWaiting: waiting(c.Limits.MaxWaiting), Patience: max(c.Limits.WaitTimeout, 1),
			MaxBacklog: c.Limits.MaxBacklog, Timeout: c.Limits.RequestTimeout,
		},
	}
	for _, k := range c.Keys {
		keyHash, err := access.ParseHash(k.SHA256)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, err)
		}
		live.Keys = append(live.Keys, access.Key{
			Name: k.Name, Hash: keyHash, RequestsPerMinute: k.RequestsPerMinute, TokensPerMinute: k.TokensPerMinute,
			Concurrent: k.Concurrent, Admin: k.Admin,
		})
	}
	return live, nil
}

// waiting is how many requests may wait, in the words of package api, where 0 is the default.
func waiting(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
