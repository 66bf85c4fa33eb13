package main

import (
	"os"

	"github.com/qwenvld/qwenvld/config"
)

// ownNames are the names that requests may be for, none where any may. With keys a page that gets in by another name
// has no key. An address that other machines reach may have names that nobody has told.
func ownNames(c *config.Config) []string {
	if len(c.Keys) > 0 || len(c.Hosts) == 0 && !isLoopback(c) {
		return nil
	}
	names := append([]string{"localhost"}, c.Hosts...)
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	return names
}

// isLoopback reports whether only this machine reaches the daemon, by TCP.
func isLoopback(c *config.Config) bool {
	network, address := c.Network()
	return network == "tcp" && config.Local(network, address)
}
