package main

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/config"
)

// socketDir is a folder in which the path of a socket is short enough.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "q-") //nolint:usetesting // t.TempDir names the test, which is too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestAnAddressThatCannotBeServedOnIsExplained(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(socketDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, says := range map[string]string{
		taken.Addr().String(): "is in use by another program",
		"192.0.2.1:1":         "is no address of this machine",
		"unix:" + file:        "is there already and is no socket",
	} {
		l, err := listen(t.Context(), &config.Config{Listen: address})
		if err == nil {
			_ = l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestASocketThatNobodyServesOnIsReplaced(t *testing.T) {
	file := filepath.Join(socketDir(t), "q.sock")
	c := &config.Config{Listen: "unix:" + file}
	left, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", file)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false) // as of a process that was killed
	if l, err := listen(t.Context(), c); err == nil {
		_ = l.Close()
		t.Error("taken from somebody who serves on it")
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listen(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

func TestTheURLIsOneThatThisMachineReaches(t *testing.T) {
	encrypted := config.TLS{Certificate: "c.pem", Key: "k.pem"}
	named := &x509.Certificate{DNSNames: []string{"*.example.org", "q.example.org"}}
	for _, tc := range []struct {
		tls           config.TLS
		network, addr string
		leaf          *x509.Certificate
		want          string
	}{
		{network: "tcp", addr: "127.0.0.1:80", want: "http://127.0.0.1:80"},
		{network: "tcp", addr: "[::]:80", want: "http://127.0.0.1:80"},
		{network: "tcp", addr: ":80", want: "http://127.0.0.1:80"},
		{network: "tcp", addr: "[2001:db8::1]:80", want: "http://[2001:db8::1]:80"},
		{network: "unix", addr: "/run/q.sock", want: "unix:/run/q.sock"},
		{tls: encrypted, network: "tcp", addr: "0.0.0.0:443", want: "https://127.0.0.1:443"},
		{tls: encrypted, network: "tcp", addr: "0.0.0.0:443", leaf: named, want: "https://q.example.org:443"},
	} {
		if got := baseURL(&config.Config{TLS: tc.tls}, plainAddress{tc.network, tc.addr}, tc.leaf); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.addr, got, tc.want)
		}
	}
}
