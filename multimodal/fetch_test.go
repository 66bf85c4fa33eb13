package multimodal

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"code.dny.dev/ssrf"
	"golang.org/x/net/dns/dnsmessage"
)

// site serves the cases of the tests below.
func site(t *testing.T) *url.URL {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Cookie") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Write([]byte("image"))
	})
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 101)) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write(make([]byte, 50))
			http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("im"))
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	})
	mux.HandleFunc("/nowhere", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func fetcher(t *testing.T, o FetcherOptions) *Fetcher {
	t.Helper()
	o.MaxBytes = 100
	if o.Timeout == 0 {
		o.Timeout = 300 * time.Millisecond
	}
	f := NewFetcher(o)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFetchFollowsAllowedHosts(t *testing.T) {
	u := site(t)
	base := "http://" + u.Host
	cases := map[string]struct {
		url  string
		want Kind
	}{
		"plain":               {base + "/ok", ""},
		"redirect":            {base + "/redirect?to=/ok", ""},
		"redirect thrice":     {base + "/redirect?to=/redirect?to=/redirect%3Fto=/ok", ""},
		"too many redirects":  {base + "/redirect?to=/redirect?to=/redirect%3Fto=/redirect%253Fto=/ok", KindFetch},
		"redirect nowhere":    {base + "/nowhere", KindFetch},
		"redirect to file":    {base + "/redirect?to=file:///etc/passwd", KindForbidden},
		"redirect inside":     {base + "/redirect?to=http://localhost/", KindForbidden},
		"redirect to port 22": {base + "/redirect?to=http://example.com:22/", KindForbidden},
		"missing":             {base + "/missing", KindFetch},
		"empty":               {base + "/empty", KindFetch},
		"large":               {base + "/large", KindTooManyBytes},
		"endless":             {base + "/endless", KindTooManyBytes},
		"slow body":           {base + "/slow", KindTimeout},
		"slow header":         {base + "/silent", KindTimeout},
	}
	f := fetcher(t, FetcherOptions{AllowedHosts: []string{u.Host}})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			data, err := f.Fetch(context.Background(), c.url)
			if kindOf(t, err) != c.want || err == nil && string(data) != "image" {
				t.Errorf("%q, %v", data, err)
			}
			for _, secret := range []string{"127.0.0.1", "localhost", "passwd", "example.com"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%q names %s", err, secret)
				}
			}
		})
	}
}

func TestFetchRefusesAddressesInside(t *testing.T) {
	u := site(t)
	f := fetcher(t, FetcherOptions{Timeout: 3 * time.Second})
	for name, c := range map[string]struct {
		url  string
		want Kind
	}{
		"loopback":            {"http://127.0.0.1/", KindForbidden},
		"loopback name":       {"http://localhost/", KindForbidden},
		"loopback, port":      {"http://" + u.Host + "/ok", KindForbidden},
		"short loopback":      {"http://127.1/", ""},
		"decimal loopback":    {"http://2130706433/", ""},
		"this host":           {"http://0.0.0.0/", KindForbidden},
		"IPv6 loopback":       {"http://[::1]/", KindForbidden},
		"mapped loopback":     {"http://[::ffff:127.0.0.1]/", KindForbidden},
		"private 10":          {"http://10.1.2.3/", KindForbidden},
		"private 172":         {"http://172.16.0.1/", KindForbidden},
		"private 192":         {"https://192.168.1.1/", KindForbidden},
		"carrier-grade NAT":   {"http://100.64.0.1/", KindForbidden},
		"cloud metadata":      {"http://169.254.169.254/latest/meta-data", KindForbidden},
		"mapped metadata":     {"http://[::ffff:a9fe:a9fe]/", KindForbidden},
		"NAT64 loopback":      {"http://[64:ff9b::7f00:1]/", KindForbidden},
		"6to4":                {"http://[2002:7f00:1::]/", KindForbidden},
		"unique local":        {"http://[fd00::1]/", KindForbidden},
		"link-local":          {"http://[fe80::1]/", KindForbidden},
		"multicast":           {"http://224.0.0.1/", KindForbidden},
		"broadcast":           {"http://255.255.255.255/", KindForbidden},
		"another port":        {"http://example.com:8080/", KindForbidden},
		"file":                {"file:///etc/passwd", KindURL},
		"gopher":              {"gopher://example.com/", KindURL},
		"no host":             {"http:///etc/passwd", KindURL},
		"user and password":   {"http://a:b@example.com/", KindURL},
		"not a URL":           {"http://exa mple/%zz", KindURL},
		"unix socket in host": {"http://%2Fvar%2Frun%2Fdocker.sock/", KindURL},
		"path":                {"/etc/passwd", KindURL},
		// Parsers that take a backslash for a slash read another host than those that do not.
		"backslash, inside behind": {`http://example.com\@127.0.0.1/`, KindURL},
		"backslash, inside before": {`http://127.0.0.1\@example.com/`, KindURL},
		"backslashes":              {`http:\\127.0.0.1\`, KindURL},
		"line break":               {"http://127.0.0.1/\r\nHost: example.com", KindURL},
		"hexadecimal loopback":     {"http://0x7f.0.0.1/", ""},
		"digits in circles":        {"http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/", ""},
		"full stops of ideographs": {"http://127\u30020\u30020\u30021/", ""},
		"loopback and a dot":       {"http://127.0.0.1./", ""},
		"zone":                     {"http://[fe80::1%25lo]/", KindForbidden},
		"compatible loopback":      {"http://[::127.0.0.1]/", KindForbidden},
		"Teredo":                   {"http://[2001:0:7f00:1::]/", KindForbidden},
		"site-local":               {"http://[fec0::1]/", KindForbidden},
		"benchmarks":               {"http://198.18.0.1/", KindForbidden},
		"reserved":                 {"http://240.0.0.1/", KindForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := f.Fetch(context.Background(), c.url)
			switch got := kindOf(t, err); {
			case err == nil:
				t.Errorf("fetched %q", data)
			case c.want != "" && got != c.want:
				t.Errorf("%s: %v", got, err)
			}
		})
	}
}

// Which names of the operator's network exist cannot be asked: one that leads inside and one that leads nowhere get the same answer, at
// first hand and behind a redirect.
func TestNamesInsideAreNotToldFromUnknownOnes(t *testing.T) {
	u := site(t)
	lookup := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		client, server := net.Pipe()
		go answerNames(server, map[string][4]byte{"wiki.corp.example.": {10, 1, 2, 3}})
		return client, ctx.Err()
	}}
	f := fetcher(t, FetcherOptions{AllowedHosts: []string{u.Host}, Timeout: 20 * time.Second})
	f.public = f.client(f.guard, lookup)
	for _, via := range []string{"", "http://" + u.Host + "/redirect?to="} {
		var answers []Error
		for _, name := range []string{"wiki.corp.example", "none.corp.example"} {
			_, err := f.Fetch(t.Context(), via+"http://"+name+"/")
			var e *Error
			if !errors.As(err, &e) || e.Kind != KindFetch {
				t.Fatalf("%s: %v", name, err)
			}
			answers = append(answers, Error{Kind: e.Kind, Message: e.Message})
			if inside := errors.Is(err, ssrf.ErrProhibitedIP); inside != (name == "wiki.corp.example") {
				t.Errorf("%s: the log says %v", name, errors.Unwrap(err))
			}
		}
		if answers[0] != answers[1] {
			t.Errorf("%+v", answers)
		}
	}
}

// answerNames is a DNS server on one connection: messages have their length before them, as over TCP.
func answerNames(c net.Conn, names map[string][4]byte) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(query) != nil {
			return
		}
		m.Response, m.Additionals = true, nil
		q := m.Questions[0]
		address, known := names[q.Name.String()]
		switch {
		case !known:
			m.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}, Body: &dnsmessage.AResource{A: address},
			}}
		}
		answer, err := m.Pack()
		if err != nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func TestFetchEndsWithItsRequest(t *testing.T) {
	u := site(t)
	f := fetcher(t, FetcherOptions{AllowedHosts: []string{"127.0.0.1"}, Timeout: time.Minute})
	ctx, cancel := context.WithCancelCause(context.Background())
	left := errors.New("left")
	time.AfterFunc(20*time.Millisecond, func() { cancel(left) })
	// Who left needs no answer, so it is no fault of the other server.
	if _, err := f.Fetch(ctx, "http://"+u.Host+"/slow"); !errors.Is(err, left) || kindOrNone(err) != "" {
		t.Errorf("%v", err)
	}
}

func kindOrNone(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func TestFetchStaysWithHTTPS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		w.Write([]byte("image"))
	}))
	t.Cleanup(s.Close)
	f := fetcher(t, FetcherOptions{AllowedHosts: []string{"127.0.0.1"}, Timeout: 10 * time.Second})
	f.allowed.Transport.(*http.Transport).TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	if data, err := f.Fetch(context.Background(), s.URL+"/?to=/"); err != nil || string(data) != "image" {
		t.Errorf("%q, %v", data, err)
	}
	plain := strings.Replace(s.URL, "https", "http", 1)
	if _, err := f.Fetch(context.Background(), s.URL+"/?to="+plain); kindOf(t, err) != KindForbidden {
		t.Errorf("to http: %v", err)
	}
}

func TestNegativeMaxRedirectsFollowsNone(t *testing.T) {
	u := site(t)
	f := fetcher(t, FetcherOptions{AllowedHosts: []string{u.Host}, MaxRedirects: -1})
	if _, err := f.Fetch(context.Background(), "http://"+u.Host+"/redirect?to=/ok"); kindOf(t, err) != KindFetch {
		t.Errorf("%v", err)
	}
}

func TestAllowedHostsMatchWithAndWithoutPort(t *testing.T) {
	for _, c := range []struct {
		allowed, url string
		want         bool
	}{
		{"files.lan", "http://files.lan/a", true},
		{"files.lan", "http://FILES.lan:9000/a", true},
		{"files.lan:443", "https://files.lan/a", true},
		{"files.lan:443", "http://files.lan/a", false},
		{"files.lan:9000", "http://files.lan:9000/a", true},
		{"files.lan:9000", "http://files.lan:9001/a", false},
		{"files.lan", "http://files.lan.evil.example/a", false},
		{"files.lan", "http://evil.example/files.lan", false},
		{"::1", "http://[::1]:9000/a", true},
		{"[::1]:80", "http://[::1]/a", true},
	} {
		f := fetcher(t, FetcherOptions{AllowedHosts: []string{c.allowed}})
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.isAllowed(u); got != c.want {
			t.Errorf("%s under %s: %v", c.url, c.allowed, got)
		}
	}
}
