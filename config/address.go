package config

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// unixPrefix begins addresses that are files.
const unixPrefix = "unix:"

// Network is the address to serve on as package net takes it: "tcp" with host:port, or "unix" with a file.
func (c *Config) Network() (network, address string) { return splitAddress(c.Listen) }

func splitAddress(listen string) (network, address string) {
	if file, ok := strings.CutPrefix(listen, unixPrefix); ok {
		return "unix", file
	}
	return "tcp", listen
}

// validAddress tells whether listen can be served on.
func validAddress(listen string) bool {
	if file, ok := strings.CutPrefix(listen, unixPrefix); ok {
		return filepath.IsAbs(file)
	}
	host, port, err := net.SplitHostPort(listen)
	n, perr := strconv.Atoi(port)
	return err == nil && perr == nil && n >= 0 && n <= 65535 && !strings.Contains(host, " ")
}
