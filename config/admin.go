package config

import (
	"net"
	"net/netip"
	"strings"
)

// Admin is where operators look into the daemon; without an address they cannot.
type Admin struct {
	// Listen is an address as Config.Listen, on which a missing host means this machine alone.
	Listen string `mapstructure:"listen"`
}

// Network is the address as package net takes it; an empty one where there is none.
func (a *Admin) Network() (network, address string) {
	network, address = splitAddress(a.Listen)
	if strings.HasPrefix(address, ":") && network == "tcp" {
		address = "127.0.0.1" + address
	}
	return network, address
}

// Local says whether only this machine reaches an address: a file's socket, or the loopback.
func Local(network, address string) bool {
	if network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (c *Config) validateAdmin(v *validation) {
	if c.Admin.Listen == "" {
		return
	}
	network, address := c.Admin.Network()
	if !validAddress(c.Admin.Listen) {
		v.fault("admin.listen", "must be host:port or unix:/path/of/a.sock, not %q", c.Admin.Listen)
		return
	}
	own, other := c.Network()
	if own == network && other == address && !strings.HasSuffix(address, ":0") {
		v.fault("admin.listen", "must not be the address of `listen`")
	}
	for i := range c.Keys {
		if c.Keys[i].Admin {
			return
		}
	}
	if !Local(network, address) {
		v.fault("admin.listen",
			"%q is reached by other machines, so a key with admin: true is needed; leave the host out for this machine alone",
			c.Admin.Listen)
	}
}
