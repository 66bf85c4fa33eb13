package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

func TestASocketIsTakenWhereItIsMeantForThisProcess(t *testing.T) {
	const pid = 4711
	for name, tc := range map[string]struct {
		variables []string
		says      string
	}{
		"none":            {nil, ""},
		"another process": {[]string{"LISTEN_PID=1", "LISTEN_FDS=1"}, ""},
		"several":         {[]string{"LISTEN_PID=" + strconv.Itoa(pid), "LISTEN_FDS=2"}, "one socket"},
		"no number":       {[]string{"LISTEN_PID=" + strconv.Itoa(pid)}, "one socket"},
	} {
		l, err := handedOver(&environment{variables: tc.variables}, pid)
		if l != nil || (err != nil) != (tc.says != "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
}

// named tells its name, and notes when it is told to refuse requests.
type named struct {
	name     string
	refusing atomic.Bool
}

func (n *named) ServeHTTP(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, n.name) }
func (n *named) Drain()                                           { n.refusing.Store(true) }
func (n *named) Wait(context.Context) error                       { return nil }
func (n *named) Abort()                                           {}

// sharing is a server on a socket that others have, too.
type sharing struct {
	named
	leave, hurry func()
	ended        chan error
}

func share(t *testing.T, socket net.Listener, name string) *sharing {
	t.Helper()
	file, err := socket.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(file)
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	hurry := make(chan struct{})
	ctx, leave := context.WithCancel(context.WithValue(t.Context(), hurryKey{}, (<-chan struct{})(hurry)))
	s := &sharing{named: named{name: name}, leave: leave, hurry: func() { close(hurry) }, ended: make(chan error, 1)}
	c := &config.Config{DrainDelay: time.Hour, ShutdownTimeout: time.Hour}
	go func() {
		s.ended <- serveHTTP(ctx, c, newSharedListener(l), nil, &s.named, slog.New(slog.DiscardHandler), func() {})
	}()
	return s
}

// TestASharedSocketIsLeftToOthers ends a server while a client has a connection to it. Another takes the connections
// that come from then on.
func TestASharedSocketIsLeftToOthers(t *testing.T) {
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	ask := func(client *http.Client) (name string, closes bool) {
		t.Helper()
		resp, err := client.Get("http://" + socket.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body), resp.Close
	}
	first := share(t, socket, "first")
	staying := &http.Client{Transport: &http.Transport{}}
	if name, closes := ask(staying); name != "first" || closes {
		t.Fatalf("before: %s, closes %t", name, closes)
	}
	first.leave()
	second := share(t, socket, "second")
	// The connection that there is gets one more reply at least, and its last one closes it.
	closed := false
	testkit.Eventually(t, "the client comes to the other server", func() bool {
		name, closes := ask(staying)
		closed = closed || name == "first" && closes
		return name == "second"
	})
	if !closed {
		t.Error("the connection was not closed by a reply")
	}
	for range 20 {
		if name, _ := ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}); name != "second" {
			t.Errorf("a new connection came to %s", name)
		}
	}
	if first.refusing.Load() {
		t.Error("requests are refused that the other server could answer")
	}
	for _, s := range []*sharing{first, second} {
		s.leave()
		s.hurry()
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
		if !s.refusing.Load() {
			t.Errorf("%s did not drain", s.name)
		}
	}
}
