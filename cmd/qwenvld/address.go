package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/qwenvld/qwenvld/config"
)

// listen opens c's address.
func listen(ctx context.Context, c *config.Config) (net.Listener, error) {
	network, address := c.Network()
	return listenAt(ctx, network, address, "--listen or `listen` in the configuration")
}

// listenAt opens an address, or says what to do where that is not possible; setting is what chooses it.
func listenAt(ctx context.Context, network, address, setting string) (net.Listener, error) {
	if network == "unix" {
		if err := removeStale(ctx, address, setting); err != nil {
			return nil, err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	other := "choose another address with " + setting
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program: %s (port 0 takes any that is free)", address, other)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s is no address of this machine: %s", address, other)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s may not be served on by this user: %s", address, other)
	}
	return nil, fmt.Errorf("%w: %s", err, other)
}

// removeStale removes a socket that nobody serves on any more.
func removeStale(ctx context.Context, file, setting string) error {
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there already and is no socket: choose another path with %s", file, setting)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", file)
	if err == nil {
		_ = conn.Close()
		return nil // in use, as listening will say
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(file)
	}
	return err
}

// baseURL is where a daemon with c that listens on addr can be reached from this machine; leaf is its certificate, if
// any.
func baseURL(c *config.Config, addr net.Addr, leaf *x509.Certificate) string {
	if addr.Network() == "unix" {
		return "unix:" + addr.String()
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme(c) + "://" + addr.String()
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	// Clients compare the host with the certificate's names.
	if leaf != nil && leaf.VerifyHostname(host) != nil {
		for _, name := range leaf.DNSNames {
			if !strings.Contains(name, "*") {
				host = name
				break
			}
		}
	}
	return scheme(c) + "://" + net.JoinHostPort(host, port)
}
