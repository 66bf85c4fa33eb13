package rawreply

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// net/http waits half a second behind a reply to a request that it has not read, for which goleak has no patience.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

func TestWhatTheServerRefusesByItselfIsJSON(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const plain = "HTTP/1.1 400 Bad Request" + headers + "a body that looks like it"
	srv := &http.Server{
		ReadHeaderTimeout: time.Minute, MaxHeaderBytes: 4096,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, plain) }),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(Listen(l)) }()
	defer func() { _ = srv.Close(); <-done }()
	for name, tc := range map[string]struct {
		request string
		status  int
		code    string
	}{
		"no host":             {"GET / HTTP/1.1\r\n\r\n", 400, "malformed_request"},
		"no request":          {"hello\r\n\r\n", 400, "malformed_request"},
		"a bad header":        {"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400, "malformed_request"},
		"a long header":       {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 20000) + "\r\n\r\n", 431, "header_too_large"},
		"an unknown encoding": {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: zip\r\n\r\n", 501, "unsupported_protocol"},
		"a newer protocol":    {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "unsupported_protocol"},
		"a good request":      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go func() { _, _ = io.WriteString(c, tc.request) }()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tc.status {
				t.Fatalf("%d %s %v", resp.StatusCode, body, err)
			}
			if tc.code == "" {
				if string(body) != plain {
					t.Errorf("changed to %q", body)
				}
				return
			}
			var e struct {
				Error struct{ Message, Type, Code string }
			}
			if err := json.Unmarshal(body, &e); err != nil || e.Error.Code != tc.code || e.Error.Message == "" || e.Error.Type == "" {
				t.Errorf("%s: %v", body, err)
			}
			if resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%v", resp.Header)
			}
		})
	}
}

func TestAHeaderThatDoesNotComeInTimeIsToldSo(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		ReadHeaderTimeout: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answered") }),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(Listen(l)) }()
	defer func() { _ = srv.Close(); <-done }()
	const whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, tc := range map[string]struct {
		sent     string
		statuses []int // of all replies until the connection ends
	}{
		"nothing":              {"", nil},
		"a part of a line":     {"GET / HT", []int{408}},
		"a part of a field":    {"GET / HTTP/1.1\r\nHo", []int{408}},
		"a part of the fields": {"GET / HTTP/1.1\r\nHost: a\r\nX: b", []int{408}},
		"a whole one":          {whole, []int{200}},
		"a part after another": {whole + "GET / HTTP/1.1\r\nHo", []int{200, 408}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tc.sent); err != nil {
				t.Fatal(err)
			}
			var statuses []int
			replies := bufio.NewReader(c)
			for {
				resp, err := http.ReadResponse(replies, nil)
				if err != nil {
					break
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode == http.StatusRequestTimeout && !strings.Contains(string(body), `"code":"request_timeout"`) {
					t.Errorf("%s", body)
				}
				statuses = append(statuses, resp.StatusCode)
			}
			if !slices.Equal(statuses, tc.statuses) {
				t.Errorf("%v, want %v", statuses, tc.statuses)
			}
		})
	}
}
