// Package config is the daemon's configuration: one struct, read from a YAML file, QWENVLD_* environment variables and
// flags, checked as a whole.
//
// It knows the meaning of no value beyond its range. It must not depend on the packages it configures; cmd/qwenvld
// hands each its part.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/multimodal/video/limits"
)

// Config is everything that can be set. It is not changed after Load.
type Config struct {
	// Listen is the address to serve on: host:port, or unix: and the path of a socket.
	Listen string `mapstructure:"listen"`
	// ShutdownTimeout is how long requests in flight may go on after SIGTERM.
	ShutdownTimeout time.Duration `mapstructure:"shutdown_timeout"`
	// MemoryLimit in bytes is what the daemon itself, without its workers, tries to stay below; 0 takes a quarter of
	// what its control group may have, if that is limited.
	MemoryLimit int64 `mapstructure:"memory_limit"`
	// DrainDelay is how long the daemon goes on saying that it is not ready before it stops listening.
	DrainDelay time.Duration `mapstructure:"drain_delay"`
	// Public serves what tells of the daemon itself to everybody, where keys are set: readiness and the API's
	// description.
	Public bool `mapstructure:"public"`
	// ReasoningField names the reasoning in responses: reasoning_content, reasoning or both.
	ReasoningField string `mapstructure:"reasoning_field"`
	// UnknownParameters says what becomes of members of requests that nobody knows: refuse or ignore.
	UnknownParameters string `mapstructure:"unknown_parameters"`
	// RepetitionDetection ends answers that only repeat themselves, unless their request says otherwise.
	// PrefixScope says who shares what is computed of prompts: PrefixesOfAll, or PrefixesOfKey.
	PrefixScope         string `mapstructure:"prefix_scope"`
	RepetitionDetection bool   `mapstructure:"repetition_detection"`
	Log                 Log    `mapstructure:"log"`
	Limits              Limits `mapstructure:"limits"`
	Media               Media  `mapstructure:"media"`
	// Keys are accepted from clients; without any, none is needed.
	Keys []Key `mapstructure:"keys"`
	CORS CORS  `mapstructure:"cors"`
	TLS  TLS   `mapstructure:"tls"`
	// Metrics says who may read /metrics.
	Metrics Metrics `mapstructure:"metrics"`
	// Responses says where those of /v1/responses are kept.
	Responses Responses `mapstructure:"responses"`
	// Router decides between a model's two sets of weights.
	Router Router `mapstructure:"router"`
	// Models to serve; without any the built-in demo pair is served. More than one is not supported yet.
	Models []Model `mapstructure:"models"`
}

// Key is a client's API key, of which only the hash is known, and its limits; 0 is no limit.
type Key struct {
	Name              string `mapstructure:"name"`
	SHA256            string `mapstructure:"sha256"` // hexadecimal
	RequestsPerMinute int    `mapstructure:"requests_per_minute"`
	TokensPerMinute   int    `mapstructure:"tokens_per_minute"` // prompts and answers
	Concurrent        int    `mapstructure:"concurrent"`        // requests at a time
}

// CORS lets browsers on other sites ask.
type CORS struct {
	AllowedOrigins []string `mapstructure:"allowed_origins"`
}

// TLS serves https with a certificate; without it the daemon speaks plain HTTP.
type TLS struct {
	Certificate string `mapstructure:"certificate"` // PEM file, with the chain
	Key         string `mapstructure:"key"`         // PEM file
}

// Metrics says who may read /metrics.
type Metrics struct {
	// Public lets everybody; otherwise a key is needed as for all else, where keys are set.
	Public bool `mapstructure:"public"`
}

// Responses says where the responses of /v1/responses are kept, for clients that go on from one.
type Responses struct {
	// Path is an SQLite file, "memory" to lose them at the end, or "off" to keep none.
	Path  string `mapstructure:"path"`
	Bytes int64  `mapstructure:"bytes"` // of all of them; the oldest go first
	// Keep is how long they are kept; 0 is forever.
	Keep time.Duration `mapstructure:"keep"`
}

// Router decides between a model's two sets of weights.
type Router struct {
	// Quality from 0, never think unasked, to 10, think wherever it does no harm.
	Quality float64 `mapstructure:"quality"`
	// Weights is a file of `qwenvld router train`; empty takes the shipped ones.
	Weights    string     `mapstructure:"weights"`
	SecondLook SecondLook `mapstructure:"second_look"`
	Rerun      Rerun      `mapstructure:"rerun"`
}

// SecondLook has instruct begin where the router is uncertain, and thinking answer where its first tokens are doubtful.
type SecondLook struct {
	Share   float64 `mapstructure:"share"`   // of routed requests at most; 0 is never
	Tokens  int     `mapstructure:"tokens"`  // of instruct's answer, which are looked at
	Margin  float64 `mapstructure:"margin"`  // doubtful below it: a token's likeliest probability less the next
	Entropy float64 `mapstructure:"entropy"` // doubtful above it: of a token, as a share of the greatest possible
}

// Rerun has thinking answer again what instruct answered badly, in replies that are not streamed.
type Rerun struct {
	Share float64  `mapstructure:"share"` // of routed requests at most; 0 is never
	On    []string `mapstructure:"on"`    // form, loop, length, logprob
}

// Values of PrefixScope.
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
	Level  string `mapstructure:"level"`  // debug, info, warn or error
	Format string `mapstructure:"format"` // text or json
}

// Limits bound requests.
type Limits struct {
	MaxConcurrent int `mapstructure:"max_concurrent"` // generations worked on at a time
	// MaxWaiting more may wait for a place, each for WaitTimeout.
	MaxWaiting  int           `mapstructure:"max_waiting"`
	WaitTimeout time.Duration `mapstructure:"wait_timeout"`
	BodyBytes   int64         `mapstructure:"body_bytes"`
	// BodyRate is how many bytes a second a body must have on average; AllBodyBytes bounds those of all that are held,
	// 0 four of the largest.
	BodyRate     int64 `mapstructure:"body_rate"`
	AllBodyBytes int64 `mapstructure:"all_body_bytes"`
	Images       int   `mapstructure:"images"` // in one request
	Videos       int   `mapstructure:"videos"` // in one request
}

// Media says what images may cost and where they may come from.
type Media struct {
	// Fetch allows http and https URLs.
	Fetch bool `mapstructure:"fetch"`
	// AllowedHosts may be fetched from although they lie at private addresses, on any port.
	AllowedHosts []string      `mapstructure:"allowed_hosts"`
	FetchTimeout time.Duration `mapstructure:"fetch_timeout"`
	ImageBytes   int64         `mapstructure:"image_bytes"`
	// ImagePixels bounds an image as sent.
	ImagePixels int `mapstructure:"image_pixels"`
	// DecodeMemory bounds in bytes what all images together take that are decoded at a time; each may take
	// DecodeTimeout, and wait DecodeWait for the others.
	DecodeMemory  int64         `mapstructure:"decode_memory"`
	DecodeTimeout time.Duration `mapstructure:"decode_timeout"`
	DecodeWait    time.Duration `mapstructure:"decode_wait"`
	// MinPixels and MaxPixels narrow the area that images are resized to; 0 leaves the model's limit.
	MinPixels int   `mapstructure:"min_pixels"`
	MaxPixels int   `mapstructure:"max_pixels"`
	Video     Video `mapstructure:"video"`
}

// Video says what videos may cost. Requests can only ask for less.
type Video struct {
	FetchTimeout time.Duration `mapstructure:"fetch_timeout"`
	Bytes        int64         `mapstructure:"bytes"`
	// SourcePixels bounds a frame as sent, SourceFrames and Duration the whole video.
	SourcePixels int           `mapstructure:"source_pixels"`
	SourceFrames int           `mapstructure:"source_frames"`
	Duration     time.Duration `mapstructure:"duration"`
	// FPS and Frames bound what is shown, TotalPixels the resized area of all frames, MinPixels and MaxPixels that of
	// one; 0 is no bound of its own.
	FPS         float64 `mapstructure:"fps"`
	Frames      int     `mapstructure:"frames"`
	TotalPixels int     `mapstructure:"total_pixels"`
	MinPixels   int     `mapstructure:"min_pixels"`
	MaxPixels   int     `mapstructure:"max_pixels"`
	// FFmpeg and FFprobe are programs, by path or name.
	FFmpeg  string `mapstructure:"ffmpeg"`
	FFprobe string `mapstructure:"ffprobe"`
	// Disk bounds in bytes what all videos together take while they are read.
	Disk int64 `mapstructure:"disk"`
	// Decoders run at a time, each with at most Memory bytes for at most DecodeTimeout.
	Decoders      int           `mapstructure:"decoders"`
	Memory        int64         `mapstructure:"memory"`
	ProbeTimeout  time.Duration `mapstructure:"probe_timeout"`
	DecodeTimeout time.Duration `mapstructure:"decode_timeout"`
	// Sandbox puts decoders into namespaces of their own where the system allows it.
	Sandbox bool `mapstructure:"sandbox"`
}

// Model is a pair of weights behind one name; either may be missing.
type Model struct {
	ID string `mapstructure:"id"`
	// Pull names weights that are fetched where they are not at hand, such as qwen3-vl:8b, in place of Instruct and
	// Thinking.
	Pull     string  `mapstructure:"pull"`
	Instruct Weights `mapstructure:"instruct"`
	Thinking Weights `mapstructure:"thinking"`
	Engine   Engine  `mapstructure:"engine"`
}

// Weights are the files of one variant.
type Weights struct {
	Model     string `mapstructure:"model"`
	Projector string `mapstructure:"projector"`
}

// Engine sizes each worker of a model. Zero values take the worker's defaults.
type Engine struct {
	ContextSize  int    `mapstructure:"context_size"`  // tokens of one request
	CacheTokens  int    `mapstructure:"cache_tokens"`  // KV cache that all requests share
	CacheType    string `mapstructure:"cache_type"`    // f16, q8_0 or f32
	MaxSequences int    `mapstructure:"max_sequences"` // requests that decode together
	MaxQueue     int    `mapstructure:"max_queue"`     // requests that may wait
	BatchSize    int    `mapstructure:"batch_size"`
	PrefillChunk int    `mapstructure:"prefill_chunk"`
	Threads      int    `mapstructure:"threads"`
	GPULayers    int    `mapstructure:"gpu_layers"`   // negative: all
	ImageMemory  int64  `mapstructure:"image_memory"` // bytes of working memory of encoding one image
	VisionCache  int64  `mapstructure:"vision_cache"` // bytes of rows kept of pictures encoded before; negative: none
	PrefixCache  int    `mapstructure:"prefix_cache"` // tokens of cache_tokens kept of prompts computed before; negative: none
}

// Default is the configuration without file, environment and flags.
func Default() Config {
	return Config{
		Listen:          "127.0.0.1:8080",
		ShutdownTimeout: 30 * time.Second,
		DrainDelay:      2 * time.Second,
		ReasoningField:  "reasoning_content", UnknownParameters: "refuse", RepetitionDetection: true, PrefixScope: PrefixesOfAll,
		Log: Log{Level: "info", Format: "text"},
		Limits: Limits{
			MaxConcurrent: 64, MaxWaiting: 64, WaitTimeout: 5 * time.Second, BodyBytes: 64 << 20, BodyRate: 16 << 10, Images: 32, Videos: 8,
		},
		Responses: Responses{Path: ResponsesInMemory, Bytes: 256 << 20, Keep: 30 * 24 * time.Hour},
		Router: Router{
			Quality: 5, SecondLook: SecondLook{Tokens: 1, Margin: 0.3, Entropy: 0.5},
			Rerun: Rerun{On: []string{"form", "loop", "length", "logprob"}},
		},
		Media: Media{
			Fetch: true, FetchTimeout: 15 * time.Second, ImageBytes: 32 << 20, ImagePixels: 100_000_000,
			DecodeMemory: 3 << 29, DecodeTimeout: 30 * time.Second, DecodeWait: 30 * time.Second,
			Video: defaultVideo(),
		},
	}
}

func defaultVideo() Video {
	l := limits.Default()
	return Video{
		FetchTimeout: l.FetchTimeout, Bytes: l.Bytes, Disk: l.Disk,
		SourcePixels: l.SourcePixels, SourceFrames: l.SourceFrames, Duration: l.Duration,
		FPS: l.FPS, Frames: l.Frames, TotalPixels: l.TotalPixels, FFmpeg: "ffmpeg", FFprobe: "ffprobe",
		Decoders: l.Decoders, Memory: l.Memory, ProbeTimeout: l.ProbeTimeout, DecodeTimeout: l.DecodeTimeout, Sandbox: true,
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
	v.atLeast("shutdown_timeout", int64(c.ShutdownTimeout), 0)
	v.atLeast("drain_delay", int64(c.DrainDelay), 0)
	v.oneOf("reasoning_field", c.ReasoningField, "reasoning_content", "reasoning", "both")
	v.oneOf("unknown_parameters", c.UnknownParameters, "refuse", "ignore")
	v.oneOf("prefix_scope", c.PrefixScope, PrefixesOfAll, PrefixesOfKey)
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	c.Limits.validate(&v)
	v.atLeast("responses.bytes", c.Responses.Bytes, 1<<20)
	v.atLeast("responses.keep", int64(c.Responses.Keep), 0)
	if c.Responses.Path == "" {
		v.fault("responses.path", "must be a file, %s or %s", ResponsesInMemory, ResponsesOff)
	}
	v.atLeast("media.fetch_timeout", int64(c.Media.FetchTimeout), 1)
	v.atLeast("media.image_bytes", c.Media.ImageBytes, 1)
	v.atLeast("media.image_pixels", int64(c.Media.ImagePixels), 1)
	v.atLeast("media.decode_memory", c.Media.DecodeMemory, 64<<20)
	v.atLeast("media.decode_timeout", int64(c.Media.DecodeTimeout), int64(time.Second))
	v.atLeast("media.decode_wait", int64(c.Media.DecodeWait), 1)
	v.atLeast("media.min_pixels", int64(c.Media.MinPixels), 0)
	v.atLeast("media.max_pixels", int64(c.Media.MaxPixels), 0)
	if c.Media.MaxPixels > 0 && c.Media.MinPixels > c.Media.MaxPixels {
		v.fault("media.min_pixels", "must not be larger than media.max_pixels")
	}
	c.Router.validate(&v)
	c.Media.Video.validate(&v)
	c.validateAccess(&v)
	if len(c.Models) > 1 {
		v.fault("models", "one model can be served, %d are given", len(c.Models))
	}
	for i := range c.Models {
		c.Models[i].validate(&v, fmt.Sprintf("models[%d]", i))
	}
	return v.faults
}

func (c *Limits) validate(v *validation) {
	const key = "limits."
	v.atLeast(key+"max_concurrent", int64(c.MaxConcurrent), 1)
	v.atLeast(key+"max_waiting", int64(c.MaxWaiting), 0)
	v.atLeast(key+"wait_timeout", int64(c.WaitTimeout), 0)
	v.atLeast(key+"body_bytes", c.BodyBytes, 1024)
	v.atLeast(key+"body_rate", c.BodyRate, 1)
	if c.AllBodyBytes != 0 {
		v.atLeast(key+"all_body_bytes", c.AllBodyBytes, c.BodyBytes)
	}
	v.atLeast(key+"images", int64(c.Images), 1)
	v.atLeast(key+"videos", int64(c.Videos), 1)
}

func (c *Router) validate(v *validation) {
	const key = "router."
	v.within(key+"quality", c.Quality, 10)
	v.within(key+"second_look.share", c.SecondLook.Share, 1)
	v.atLeast(key+"second_look.tokens", int64(c.SecondLook.Tokens), 1)
	v.within(key+"second_look.margin", c.SecondLook.Margin, 1)
	v.within(key+"second_look.entropy", c.SecondLook.Entropy, 1)
	v.within(key+"rerun.share", c.Rerun.Share, 1)
	for i, cause := range c.Rerun.On {
		v.oneOf(fmt.Sprintf("%srerun.on[%d]", key, i), cause, "form", "loop", "length", "logprob")
	}
}

func (c *Video) validate(v *validation) {
	const key = "media.video."
	least := limits.Least()
	for name, n := range map[string][2]int64{
		"fetch_timeout": {int64(c.FetchTimeout), int64(least.FetchTimeout)},
		"bytes":         {c.Bytes, least.Bytes}, "disk": {c.Disk, max(least.Disk, c.Bytes)},
		"source_pixels": {int64(c.SourcePixels), int64(least.SourcePixels)},
		"source_frames": {int64(c.SourceFrames), int64(least.SourceFrames)},
		"duration":      {int64(c.Duration), int64(least.Duration)},
		"frames":        {int64(c.Frames), int64(least.Frames)},
		"total_pixels":  {int64(c.TotalPixels), int64(least.TotalPixels)},
		"min_pixels":    {int64(c.MinPixels), 0}, "max_pixels": {int64(c.MaxPixels), 0},
		"decoders": {int64(c.Decoders), int64(least.Decoders)}, "memory": {c.Memory, least.Memory},
		"probe_timeout":  {int64(c.ProbeTimeout), int64(least.ProbeTimeout)},
		"decode_timeout": {int64(c.DecodeTimeout), int64(least.DecodeTimeout)},
	} {
		v.atLeast(key+name, n[0], n[1])
	}
	if !(c.FPS > least.FPS) {
		v.fault(key+"fps", "must be greater than 0, not %v", c.FPS)
	}
	if c.MaxPixels > 0 && c.MinPixels > c.MaxPixels {
		v.fault(key+"min_pixels", "must not be larger than media.video.max_pixels")
	}
}

func (c *Config) validateAccess(v *validation) {
	names := map[string]bool{}
	for i, k := range c.Keys {
		key := fmt.Sprintf("keys[%d]", i)
		if k.Name == "" || names[k.Name] {
			v.fault(key+".name", "must be a name that no other key has, not %q", k.Name)
		}
		names[k.Name] = true
		if b, err := hex.DecodeString(k.SHA256); err != nil || len(b) != sha256.Size {
			v.fault(key+".sha256", "must be the SHA-256 of the key in hexadecimal digits; `qwenvld key` makes both")
		}
		v.atLeast(key+".requests_per_minute", int64(k.RequestsPerMinute), 0)
		v.atLeast(key+".tokens_per_minute", int64(k.TokensPerMinute), 0)
		v.atLeast(key+".concurrent", int64(k.Concurrent), 0)
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		v.fault("tls", "needs both certificate and key")
	}
	if network, _ := c.Network(); network == "unix" && c.TLS.Certificate != "" {
		v.fault("tls", "is for addresses that others reach: the socket of `listen` is this machine's alone")
	}
}

func (m *Model) validate(v *validation, key string) {
	if m.ID == "" || m.ID == "auto" || strings.ContainsFunc(m.ID, func(r rune) bool { return r <= ' ' || r == '/' || r > '~' }) {
		v.fault(key+".id", "must be a name of printable ASCII without spaces and slashes, other than auto, not %q", m.ID)
	}
	switch given := m.Instruct != (Weights{}) || m.Thinking != (Weights{}); {
	case m.Pull != "" && given:
		v.fault(key+".pull", "stands in place of instruct and thinking: give either")
	case m.Pull == "" && m.Instruct.Model == "" && m.Thinking.Model == "":
		v.fault(key, "needs instruct.model or thinking.model, or pull")
	}
	for name, w := range map[string]Weights{"instruct": m.Instruct, "thinking": m.Thinking} {
		if w.Model == "" && w.Projector != "" {
			v.fault(key+"."+name+".projector", "needs %s.model", name)
		}
	}
	m.Engine.validate(v, key+".engine")
}

func (e *Engine) validate(v *validation, key string) {
	if e.CacheType != "" {
		v.oneOf(key+".cache_type", e.CacheType, "f16", "q8_0", "f32")
	}
	for name, n := range map[string]int64{
		"context_size": int64(e.ContextSize), "cache_tokens": int64(e.CacheTokens), "max_sequences": int64(e.MaxSequences),
		"max_queue": int64(e.MaxQueue), "batch_size": int64(e.BatchSize), "prefill_chunk": int64(e.PrefillChunk),
		"threads": int64(e.Threads), "image_memory": e.ImageMemory,
	} {
		v.atLeast(key+"."+name, n, 0)
	}
}

// SlogLevel is Log.Level for package slog.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // Validate has checked it
	return level
}

// validation gathers faults.
type validation struct{ faults []*fault }

// fault is what is wrong with the value of key.
type fault struct{ key, text string }

func (f *fault) Error() string { return f.key + " " + f.text }

func (v *validation) fault(key, format string, args ...any) {
	v.faults = append(v.faults, &fault{key, fmt.Sprintf(format, args...)})
}

func (v *validation) atLeast(key string, n, low int64) {
	if n < low {
		v.fault(key, "must be at least %d, not %d", low, n)
	}
}

// within is for numbers from 0 on; NaN is outside.
func (v *validation) within(key string, x, high float64) {
	if !(x >= 0 && x <= high) {
		v.fault(key, "must be 0 to %g, not %g", high, x)
	}
}

func (v *validation) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.fault(key, "must be one of %s, not %q", strings.Join(allowed, ", "), value)
	}
}
