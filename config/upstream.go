package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Values of Upstream.Discover.
const (
	DiscoverStatic   = "static"
	DiscoverHosts    = "dns"
	DiscoverServices = "srv"
	DiscoverFile     = "file"
)

// Upstream is a server, or several that are found alike, that has one variant's weights.
type Upstream struct {
	// URL is a server's base: http or https, host and port.
	URL string `mapstructure:"url"`
	// Discover says what URL stands for: DiscoverStatic, or nothing, for one server, DiscoverHosts for those at the
	// addresses of its host, DiscoverServices for those of the SRV records that its host names. With DiscoverFile, File
	// lists them.
	Discover string `mapstructure:"discover" oneof:"static dns srv file"`
	File     string `mapstructure:"file"`
	Kind     string `mapstructure:"kind" oneof:"vllm sglang llama-server ollama qwenvld openai"`
	// Model is the name of the weights there; empty takes the first that a server lists.
	Model string `mapstructure:"model"`
	// KeyFile holds the key that is sent to the servers.
	KeyFile string `mapstructure:"key_file"`
	// Weight is a server's share beside others, 1 where it is 0; MaxInFlight bounds its requests, 0 for no bound.
	Weight      float64 `mapstructure:"weight"`
	MaxInFlight int     `mapstructure:"max_in_flight"`
}

// Upstreams say how long servers of others may be silent, and how often they are looked at.
type Upstreams struct {
	ConnectTimeout    time.Duration `mapstructure:"connect_timeout"`
	FirstTokenTimeout time.Duration `mapstructure:"first_token_timeout"`
	SilenceTimeout    time.Duration `mapstructure:"silence_timeout"`
	ProbeInterval     time.Duration `mapstructure:"probe_interval"`
	ProbeTimeout      time.Duration `mapstructure:"probe_timeout"`
	DiscoverInterval  time.Duration `mapstructure:"discover_interval"`
}

func defaultUpstreams() Upstreams {
	return Upstreams{
		ConnectTimeout: 2 * time.Second, FirstTokenTimeout: 5 * time.Minute, SilenceTimeout: time.Minute,
		ProbeInterval: 2 * time.Second, ProbeTimeout: 2 * time.Second, DiscoverInterval: 5 * time.Second,
	}
}

func (c *Upstreams) validate(v *validation) {
	const key = "upstreams."
	for name, d := range map[string]time.Duration{
		"connect_timeout": c.ConnectTimeout, "first_token_timeout": c.FirstTokenTimeout, "silence_timeout": c.SilenceTimeout,
		"probe_interval": c.ProbeInterval, "probe_timeout": c.ProbeTimeout, "discover_interval": c.DiscoverInterval,
	} {
		if d < time.Millisecond {
			v.fault(key+name, "must be at least 1ms, not %v", d)
		}
	}
}

func (u *Upstream) validate(v *validation, key string) {
	if u.Kind == "" {
		v.fault(key+".kind", "is missing: vllm, sglang, llama-server, ollama, qwenvld or openai")
	}
	switch {
	case u.Discover != DiscoverFile && u.File != "":
		v.fault(key+".file", "needs discover: file")
	case u.Discover != DiscoverFile:
		validateBase(v, key+".url", u.URL)
	case u.File == "" || u.URL != "":
		v.fault(key+".file", "is where discover: file finds servers, in place of url")
	}
	if !(u.Weight >= 0) {
		v.fault(key+".weight", "must not be negative")
	}
	v.atLeast(key+".max_in_flight", int64(u.MaxInFlight), 0)
}

// validateBase refuses what no server's base can be.
func validateBase(v *validation, key, text string) {
	b, err := url.Parse(text)
	if err != nil || b.Host == "" || b.User != nil || b.RawQuery != "" || b.Fragment != "" {
		v.fault(key, "must be http:// or https://, a host, and perhaps a path, not %q", text)
		return
	}
	if b.Scheme != "http" && b.Scheme != "https" {
		v.fault(key, "must be http:// or https://, a host, and perhaps a path, not %q", text)
	} else if strings.HasSuffix(strings.TrimSuffix(b.Path, "/"), "/v1") {
		v.fault(key, "must not end with /v1, which is added: %q", text)
	}
}

// Remote says whether servers of others have the weights.
func (w *Weights) Remote() bool { return len(w.Upstreams) > 0 }

// missing says that nothing tells where the weights are.
func (w *Weights) missing() bool { return w.Model == "" && !w.Remote() }

func (w *Weights) validate(v *validation, key string) {
	if w.Model == "" && w.Projector != "" {
		v.fault(key+".projector", "needs %s.model", key[strings.LastIndex(key, ".")+1:])
	}
	if w.Model != "" && w.Remote() {
		v.fault(key+".upstreams", "stand in place of model: give either")
	}
	for i := range w.Upstreams {
		w.Upstreams[i].validate(v, fmt.Sprintf("%s.upstreams[%d]", key, i))
	}
}
