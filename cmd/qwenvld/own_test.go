package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/internal/client"
)

// A second daemon is for where none runs. One that is too busy to answer runs.
func TestOnlyWhatCannotBeReachedIsNoDaemon(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	daemon := func(code int, status string) *httptest.Server {
		mux := http.NewServeMux()
		mux.HandleFunc("/health/live", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"live"}`) })
		mux.HandleFunc("/health/ready", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"status":"`+status+`"}`)
		})
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		return server
	}
	another := httptest.NewServer(http.NotFoundHandler())
	defer another.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		url      string
		patience time.Duration
		there    bool
		fault    string
	}{
		"a daemon":              {url: daemon(http.StatusOK, "ready").URL, patience: time.Minute, there: true},
		"one without weights":   {url: daemon(http.StatusServiceUnavailable, "unavailable").URL, patience: time.Minute, there: true},
		"one that wants a key":  {url: daemon(http.StatusUnauthorized, "").URL, patience: time.Minute, there: true},
		"one that ends":         {url: daemon(http.StatusServiceUnavailable, "draining").URL, patience: time.Minute},
		"another server":        {url: another.URL, patience: time.Minute},
		"nothing":               {url: gone.URL, patience: time.Minute},
		"one that says nothing": {url: "http://" + silent.Addr().String(), patience: 50 * time.Millisecond, fault: "has not answered within 50ms"},
	} {
		asked := client.New(client.Options{URL: c.url})
		there, err := serves(t.Context(), asked, c.url, c.patience)
		asked.Close()
		if there != c.there || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, %v", name, there, err)
		}
	}
}
