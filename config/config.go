// Package config is the daemon's configuration: one struct, read from a YAML file, QWENVLD_* environment variables and
// flags, checked as a whole.
//
// It knows the meaning of no value beyond its range. It must not depend on the packages it configures; cmd/qwenvld
// hands each its part.
package config

import (
	"errors"
	"log/slog"
	"reflect"
	"time"
)

// Config is everything that can be set. It is not changed after Load. Fields with a tag live can have other values by
// another configuration while the daemon serves.
type Config struct {
	// Listen is the address to serve on: host:port, or unix: and the path of a socket.
	Listen string `mapstructure:"listen"`
	// ShutdownTimeout is how long requests in flight may go on after SIGTERM.
	ShutdownTimeout time.Duration `mapstructure:"shutdown_timeout"`
	// MemoryLimit in bytes is what the daemon itself, without its workers, tries to stay below; 0 takes a quarter of
	// what its control group may have, if that is limited.
	MemoryLimit int64 `mapstructure:"memory_limit"`
	// MemoryBudget is what all loaded weights may take together of the host's memory: a number of bytes, BudgetAuto for
	// what the machine has, or BudgetNone.
	MemoryBudget string `mapstructure:"memory_budget"`
	// DrainDelay is how long the daemon goes on saying that it is not ready before it stops listening.
	DrainDelay time.Duration `mapstructure:"drain_delay"`
	// Public serves what tells of the daemon itself to everybody, where keys are set: readiness and the API's
	// description.
	Public bool `mapstructure:"public"`
	// Playground says who gets the page at the root: everybody, those with a key, or nobody.
	Playground string `mapstructure:"playground" oneof:"public key off"`
	// Hosts are names by which clients know this daemon, "*" for any. They matter where no key is needed.
	Hosts []string `mapstructure:"hosts"`
	// ReasoningField names the reasoning in responses: reasoning_content, reasoning or both.
	ReasoningField string `mapstructure:"reasoning_field" oneof:"reasoning_content reasoning both"`
	// UnknownParameters says what becomes of members of requests that nobody knows: refuse or ignore.
	UnknownParameters string `mapstructure:"unknown_parameters" oneof:"refuse ignore"`
	// PrefixScope says who shares what is computed of prompts: PrefixesOfAll, or PrefixesOfKey.
	PrefixScope string `mapstructure:"prefix_scope" oneof:"all key"`
	// RepetitionDetection ends answers that only repeat themselves, unless their request says otherwise.
	RepetitionDetection bool `mapstructure:"repetition_detection"`
	// RequireGPU refuses to start where no part of a model runs on a graphics card.
	RequireGPU bool   `mapstructure:"require_gpu"`
	Log        Log    `mapstructure:"log"`
	Limits     Limits `mapstructure:"limits" live:""`
	Media      Media  `mapstructure:"media"`
	// Keys are accepted from clients; without any, none is needed.
	Keys []Key `mapstructure:"keys" live:""`
	CORS CORS  `mapstructure:"cors"`
	TLS  TLS   `mapstructure:"tls"`
	// Metrics says who may read /metrics.
	Metrics Metrics `mapstructure:"metrics"`
	// Admin is where operators look into the daemon.
	Admin Admin `mapstructure:"admin"`
	// Tracing says where spans of requests are sent.
	Tracing Tracing `mapstructure:"tracing"`
	// Responses says where those of /v1/responses are kept.
	Responses Responses `mapstructure:"responses"`
	// Router decides between a model's two sets of weights.
	Router Router `mapstructure:"router" live:""`
	// Upstreams say how servers of others are waited for and looked at.
	Upstreams Upstreams `mapstructure:"upstreams"`
	// Models to serve; without any the built-in demo pair is served. The first is also called auto.
	Models []Model `mapstructure:"models"`
}

// Responses says where the responses of /v1/responses are kept, for clients that go on from one.
type Responses struct {
	// Path is an SQLite file, "memory" to lose them at the end, or "off" to keep none.
	Path  string `mapstructure:"path"`
	Bytes int64  `mapstructure:"bytes"` // of all of them; the oldest go first
	// Keep is how long they are kept; 0 is forever.
	Keep time.Duration `mapstructure:"keep"`
}

// Values of PrefixScope, of which its field's tag tells.
const (
	PrefixesOfAll = "all"
	PrefixesOfKey = "key"
)

// Values of Responses.Path that are no file.
const (
	ResponsesInMemory = "memory"
	ResponsesOff      = "off"
)

// Log says what is logged and how.
type Log struct {
	Level  string `mapstructure:"level" live:"" oneof:"debug info warn error"`
	Format string `mapstructure:"format" oneof:"text json"`
}

// Default is the configuration without file, environment and flags.
func Default() Config {
	return Config{
		Listen:          "127.0.0.1:8080",
		ShutdownTimeout: 30 * time.Second,
		DrainDelay:      2 * time.Second,
		MemoryBudget:    BudgetAuto,
		ReasoningField:  "reasoning_content", UnknownParameters: "refuse", RepetitionDetection: true, PrefixScope: PrefixesOfAll,
		Playground: "public",
		Log:        Log{Level: "info", Format: "text"},
		Limits: Limits{
			MaxConcurrent: 64, MaxWaiting: 64, WaitTimeout: 5 * time.Second, MaxBacklog: 30 * time.Minute, LoadTimeout: 5 * time.Minute,
			BodyBytes: 64 << 20, BodyRate: 16 << 10, Images: 32, Videos: 8,
		},
		Responses: Responses{Path: ResponsesInMemory, Bytes: 256 << 20, Keep: 30 * 24 * time.Hour},
		Router: Router{
			Quality: 5, SecondLook: SecondLook{Tokens: 1, Margin: 0.3, Entropy: 0.5},
			Rerun: Rerun{On: []string{"form", "loop", "length", "logprob"}},
		},
		Tracing:   defaultTracing(),
		Upstreams: defaultUpstreams(),
		Media: Media{
			Fetch: true, FetchTimeout: 15 * time.Second, ImageBytes: 32 << 20, ImagePixels: 100_000_000,
			DecodeMemory: 3 << 29, DecodeTimeout: 30 * time.Second, DecodeWait: 30 * time.Second,
			Video: defaultVideo(),
		},
	}
}

// Validate reports every fault with the key it is in.
func (c *Config) Validate() error {
	var all []error
	for _, f := range c.faults() {
		all = append(all, f)
	}
	return errors.Join(all...)
}

func (c *Config) faults() []*fault {
	v := validation{}
	if !validAddress(c.Listen) {
		v.fault("listen", "must be host:port or unix:/path/of/a.sock, not %q", c.Listen)
	}
	v.atLeast("memory_limit", c.MemoryLimit, 0)
	c.validateBudget(&v)
	v.atLeast("shutdown_timeout", int64(c.ShutdownTimeout), 0)
	v.atLeast("drain_delay", int64(c.DrainDelay), 0)
	v.words(reflect.ValueOf(*c), "")
	c.Limits.validate(&v)
	v.atLeast("responses.bytes", c.Responses.Bytes, 1<<20)
	v.atLeast("responses.keep", int64(c.Responses.Keep), 0)
	if c.Responses.Path == "" {
		v.fault("responses.path", "must be a file, %s or %s", ResponsesInMemory, ResponsesOff)
	}
	c.Media.validate(&v)
	c.Router.validate(&v)
	c.Upstreams.validate(&v)
	c.validateAccess(&v)
	c.validateAdmin(&v)
	c.Tracing.validate(&v)
	c.validateModels(&v)
	return v.faults
}

// SlogLevel is Log.Level for package slog.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // Validate has checked it
	return level
}
