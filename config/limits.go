package config

import "time"

// Limits bound requests.
type Limits struct {
	MaxConcurrent int `mapstructure:"max_concurrent"` // generations worked on at a time
	// MaxWaiting more may wait for a place, each for WaitTimeout.
	MaxWaiting  int           `mapstructure:"max_waiting"`
	WaitTimeout time.Duration `mapstructure:"wait_timeout"`
	// MaxBacklog is how long the requests that are there may be likely to take, for one more to be let in; 0 for ever.
	MaxBacklog time.Duration `mapstructure:"max_backlog"`
	// RequestTimeout is how long a request may take, 0 for ever.
	RequestTimeout time.Duration `mapstructure:"request_timeout"`
	// LoadTimeout is how long a request may wait for weights to be loaded.
	LoadTimeout time.Duration `mapstructure:"load_timeout" live:"no"`
	BodyBytes   int64         `mapstructure:"body_bytes"`
	// BodyRate is how many bytes a second a body must have on average; AllBodyBytes bounds those of all that are held,
	// 0 four of the largest.
	BodyRate     int64 `mapstructure:"body_rate"`
	AllBodyBytes int64 `mapstructure:"all_body_bytes"`
	Images       int   `mapstructure:"images"` // in one request
	Videos       int   `mapstructure:"videos"` // in one request
}

func (c *Limits) validate(v *validation) {
	const key = "limits."
	v.atLeast(key+"max_concurrent", int64(c.MaxConcurrent), 1)
	v.atLeast(key+"max_waiting", int64(c.MaxWaiting), 0)
	v.atLeast(key+"wait_timeout", int64(c.WaitTimeout), 0)
	v.atLeast(key+"max_backlog", int64(c.MaxBacklog), 0)
	v.atLeast(key+"request_timeout", int64(c.RequestTimeout), 0)
	v.atLeast(key+"load_timeout", int64(c.LoadTimeout), 0)
	v.atLeast(key+"body_bytes", c.BodyBytes, 1024)
	v.atLeast(key+"body_rate", c.BodyRate, 1)
	if c.AllBodyBytes != 0 {
		v.atLeast(key+"all_body_bytes", c.AllBodyBytes, c.BodyBytes)
	}
	v.atLeast(key+"images", int64(c.Images), 1)
	v.atLeast(key+"videos", int64(c.Videos), 1)
}
