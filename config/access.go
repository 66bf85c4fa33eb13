package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Key is a client's API key, of which only the hash is known, and its limits; 0 is no limit.
type Key struct {
	Name              string `mapstructure:"name"`
	SHA256            string `mapstructure:"sha256"` // hexadecimal
	RequestsPerMinute int    `mapstructure:"requests_per_minute"`
	TokensPerMinute   int    `mapstructure:"tokens_per_minute"` // prompts and answers
	Concurrent        int    `mapstructure:"concurrent"`        // requests at a time
	// Admin lets its owner load and unload models.
	Admin bool `mapstructure:"admin"`
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
