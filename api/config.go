package api

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/intake"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/api/openai/chat"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/tracing"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video"
	"github.com/qwenvld/qwenvld/router"
)

// UnknownParameters says what becomes of members of a request that this server does not know.
type UnknownParameters string

// What becomes of unknown members. Those that popular clients send by themselves are ignored either way.
const (
	RefuseUnknown UnknownParameters = "refuse" // the default: 400 with the nearest known name
	IgnoreUnknown UnknownParameters = "ignore"
)

// PlaygroundAccess says who gets the page at the root.
type PlaygroundAccess string

// Who gets the page. It holds nothing that is secret; what it asks the API for needs a key as all else does.
const (
	PlaygroundPublic PlaygroundAccess = "public" // the default
	PlaygroundKeyed  PlaygroundAccess = "key"    // those with a key, which browsers ask for as a password
	PlaygroundOff    PlaygroundAccess = "off"    // nobody
)

// Model is a pair of weights. Either variant may be missing.
type Model struct {
	// ID is the routed model id; the variants append -instruct and -thinking.
	ID string
	// Engines holds variants whose weights this daemon has.
	Engines map[router.Variant]engine.Engine
	// Clusters hold variants whose weights servers of others have. RemoteContext replaces what those tell of their
	// context, in tokens, where it is not 0.
	Clusters      map[router.Variant]*upstream.Cluster
	RemoteContext int
}

// Config is what a Server needs. Zero durations and numbers take the defaults named beside them.
type Config struct {
	// Models are those that are served, the first of them also as auto.
	Models []Model
	// Router decides where no client control does.
	Router generation.Decider
	// RouterVersion names the router's weights in replies.
	RouterVersion string
	// Fetcher is nil where http(s) URLs of images are not allowed.
	Fetcher media.Fetcher
	// Images decodes pictures (a Decoder of its own).
	Images *multimodal.Decoder
	// Disk is where frames that are sent as pictures wait (Video's, or 4 GiB of the system's).
	Disk *video.Disk
	// Video decodes videos; nil where only lists of frames are taken. VideoFetcher is nil where their URLs are not
	// allowed.
	Video        *video.Tool
	VideoFetcher media.VideoFetcher
	Limits       request.Limits
	// Unknown says what becomes of unknown members of requests (refuse).
	Unknown UnknownParameters
	// MayRepeat lets answers go on that only repeat themselves, unless their request says otherwise.
	MayRepeat bool
	// KeyedPrefixes has only requests with the same API key share what is computed of their prompts.
	KeyedPrefixes bool
	Media         media.Limits
	// SecondLook and Rerun say what may come of answers of instruct that look wrong; by default nothing.
	SecondLook generation.SecondLook
	Rerun      generation.Rerun
	// Reasoning is the name of the reasoning member, by default reasoning_content.
	Reasoning chat.ReasoningField
	// Store keeps responses; nil where none are kept. The caller closes it after Wait.
	Store history.Store
	// Keys are the API keys that are accepted; without any, none is needed.
	Keys []access.Key
	// Metrics are served at /metrics; nil makes some that know no workers. PublicMetrics serves them to those without a
	// key too, PublicInfo readiness and the API's description.
	Metrics                   *metrics.Metrics
	PublicMetrics, PublicInfo bool
	// Tracer tells of requests; nil where nobody is told. The caller closes it after Wait.
	Tracer *tracing.Tracer
	// Playground says who gets the page at the root (everybody); Samples are questions that it offers, as JSON.
	Playground PlaygroundAccess
	Samples    []byte
	// Origins are those from which browsers may ask ("https://chat.example.com", "*" for all); none by default.
	Origins []string
	// Hosts are names of this server; requests for others are refused. Without any, none are.
	Hosts []string
	// MaxConcurrent bounds the generations being worked on (64). MaxWaiting more requests (64; none if negative) may
	// wait for a place, each for Patience (5 s); then they are refused with 503. The client with the fewest places
	// comes first.
	MaxConcurrent, MaxWaiting int
	Patience                  time.Duration
	// MaxBacklog refuses requests with 503 where those before them are likely to take longer (never).
	MaxBacklog time.Duration
	// Timeout is how long a request may take (for ever).
	Timeout time.Duration
	// Bodies bound what is being received: Total (four times a body), Readers (1024), Rate (16 KiB/s) and Grace (10 s);
	// Body is Limits.BodyBytes.
	Bodies intake.Limits
	// KeepAlive is the longest silence of a stream before a comment is sent (15 s).
	KeepAlive time.Duration
	// WriteTimeout bounds each write to a client (30 s).
	WriteTimeout time.Duration
	// Logger gets one line per request. nil discards.
	Logger *slog.Logger
	// Now is the clock and NewID makes the random part of ids; both have defaults.
	Now   func() time.Time
	NewID func() string
}

// checkWords refuses words that say nothing.
func (c *Config) checkWords() error {
	switch c.Unknown {
	case RefuseUnknown, IgnoreUnknown:
	default:
		return fmt.Errorf("api: unknown_parameters %q is neither refuse nor ignore", c.Unknown)
	}
	switch c.Playground {
	case PlaygroundOff, PlaygroundPublic, PlaygroundKeyed:
	default:
		return fmt.Errorf("api: playground %q is neither off, public nor key", c.Playground)
	}
	switch c.Reasoning {
	case chat.ReasoningContent, chat.ReasoningShort, chat.ReasoningBoth:
	default:
		return fmt.Errorf("api: unknown reasoning field %q", c.Reasoning)
	}
	return nil
}

func (c Config) withDefaults() (Config, error) {
	c.Limits = c.Limits.WithDefaults()
	c.Unknown = cmp.Or(c.Unknown, RefuseUnknown)
	c.Reasoning = cmp.Or(c.Reasoning, chat.ReasoningContent)
	c.Playground = cmp.Or(c.Playground, PlaygroundPublic)
	if err := c.checkWords(); err != nil {
		return c, err
	}
	c.KeepAlive = cmp.Or(c.KeepAlive, 15*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	c.Bodies = bodyLimits(c.Bodies, &c.Limits)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = web.RandomID
	}
	if c.Metrics == nil {
		c.Metrics = metrics.New(metrics.Options{RouterVersion: c.RouterVersion, Now: c.Now})
	}
	return c, nil
}

// bodyLimits are l with the defaults that Config tells of.
func bodyLimits(l intake.Limits, requests *request.Limits) intake.Limits {
	l.Body = requests.BodyBytes
	l.Total = cmp.Or(l.Total, 4*l.Body)
	l.Readers = cmp.Or(l.Readers, 1024)
	l.Rate = cmp.Or(l.Rate, 16<<10)
	l.Grace = cmp.Or(l.Grace, 10*time.Second)
	return l
}
