package web

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/intake"
)

// echo answers with the body that it was sent.
func echo(e *Edge) HandlerFunc {
	return e.Visit(Address, func(w http.ResponseWriter, r *http.Request) error {
		body, err := e.ReadBody(w, r)
		if err != nil {
			return err
		}
		_, err = w.Write(body)
		return err
	})
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestBodiesAreReadWhole(t *testing.T) {
	e := newEdge(&logged{}, nil)
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON"} {
		r := post(`{"a":1}`)
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Content-Encoding", "identity")
		if got := answer(around(e, echo(e)), r); got.Code != http.StatusOK || got.Body.String() != `{"a":1}` {
			t.Errorf("%s: %d %s", kind, got.Code, got.Body)
		}
	}
}

func TestBodiesOfOtherKindsAreRefused(t *testing.T) {
	e := newEdge(&logged{}, nil)
	for name, value := range map[string]string{"Content-Type": "text/plain", "content-type": "", "Content-Encoding": "gzip"} {
		r := post("{}")
		r.Header.Set(name, value)
		if got := answer(around(e, echo(e)), r); got.Code != http.StatusUnsupportedMediaType || code(t, got) != "unsupported_media_type" {
			t.Errorf("%s %q: %d %s", name, value, got.Code, got.Body)
		}
	}
}

func begun(header string) string {
	return "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + header + "\r\n\r\n"
}

func TestWhyABodyWasNotReadIsTold(t *testing.T) {
	const grace = 100 * time.Millisecond
	e := newEdge(&logged{}, func(o *Options) { o.Grace, o.Bodies = grace, newBodies(intake.Limits{Grace: grace, Rate: 1 << 30}) })
	site := httptest.NewServer(around(e, echo(e)))
	defer site.Close()
	for name, tc := range map[string]struct {
		sent   string
		ends   bool // nothing more is sent
		status int
		code   string
		closes bool
	}{
		"a broken chunk":       {begun("Transfer-Encoding: chunked") + "zz\r\n{}\r\n0\r\n\r\n", false, 400, "invalid_body", true},
		"a body too slow":      {begun("Content-Length: 100") + "{", false, 408, "request_timeout", true},
		"a body too large":     {begun("Content-Length: 100000") + "{", false, 413, "request_too_large", true},
		"chunks too large":     {begun("Transfer-Encoding: chunked") + "ff0\r\n" + strings.Repeat(" ", 0xff0) + "\r\n0\r\n\r\n", false, 413, "request_too_large", false},
		"a body that is short": {begun("Content-Length: 100") + "{", true, 400, "invalid_body", true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", site.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tc.sent); err != nil {
				t.Fatal(err)
			}
			if tc.ends {
				_ = c.(*net.TCPConn).CloseWrite()
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tc.status || !strings.Contains(string(body), tc.code) || tc.closes && !resp.Close {
				t.Errorf("%v: %d %s, closes: %t", err, resp.StatusCode, body, resp.Close)
			}
		})
	}
}

func TestABodyThatFindsNoRoomIsRefused(t *testing.T) {
	e := newEdge(&logged{}, func(o *Options) { o.Bodies = newBodies(intake.Limits{Readers: 1}) })
	started, end := make(chan struct{}), make(chan struct{})
	first := post("{}")
	first.Body = io.NopCloser(readerFunc(func([]byte) (int, error) {
		close(started)
		<-end
		return 0, io.EOF
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		answer(around(e, echo(e)), first)
	}()
	<-started
	got := answer(around(e, echo(e)), post("{}"))
	close(end)
	<-done
	if got.Code != http.StatusServiceUnavailable || code(t, got) != "overloaded" || got.Header().Get("Retry-After") != "2" ||
		got.Header().Get("Connection") != "close" {
		t.Errorf("%d %s %v", got.Code, got.Body, got.Header())
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestWhyABodyBrokeOffIsKeptForTheLog(t *testing.T) {
	cause := errors.New("broken")
	if got := bodyError(cause); !errors.Is(got, cause) || got.Code != fault.CodeInvalidBody {
		t.Errorf("%v", got)
	}
}
