package discover

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zone is a DNS for tests.
type zone struct {
	hosts    map[string][]string
	services map[string][]*net.SRV
}

var errNoSuchName = errors.New("no such name")

func (z zone) LookupHost(_ context.Context, host string) ([]string, error) {
	if a, ok := z.hosts[host]; ok {
		return a, nil
	}
	return nil, errNoSuchName
}

func (z zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if r, ok := z.services[name]; ok && service == "" && proto == "" {
		return name, r, nil
	}
	return "", nil, errNoSuchName
}

func base(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestServersAreFound(t *testing.T) {
	z := zone{
		hosts: map[string][]string{"vllm": {"10.0.0.2", "10.0.0.1", "10.0.0.2", "fd00::1"}},
		services: map[string][]*net.SRV{"_http._tcp.vllm": {
			{Target: "b.vllm.", Port: 8001, Priority: 1, Weight: 3},
			{Target: "a.vllm.", Port: 8000, Priority: 1},
			{Target: "spare.vllm.", Port: 8000, Priority: 2},
		}},
	}
	file := filepath.Join(t.TempDir(), "servers.yaml")
	if err := os.WriteFile(file, []byte("- url: http://a:1/\n- {url: https://b/path, weight: 2, max_in_flight: 9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		source Source
		want   []Server
	}{
		"one": {Static{Server{URL: "http://a:1"}}, []Server{{URL: "http://a:1"}}},
		"addresses of a host": {Hosts{base(t, "http://vllm:8000/v"), z}, []Server{
			{URL: "http://10.0.0.1:8000/v"}, {URL: "http://10.0.0.2:8000/v"}, {URL: "http://[fd00::1]:8000/v"},
		}},
		"without a port": {Hosts{base(t, "https://vllm"), z}, []Server{
			{URL: "https://10.0.0.1"}, {URL: "https://10.0.0.2"}, {URL: "https://[fd00::1]"},
		}},
		"records of a service": {Services{base(t, "http://_http._tcp.vllm"), z}, []Server{
			{URL: "http://a.vllm:8000", Weight: 1}, {URL: "http://b.vllm:8001", Weight: 3},
		}},
		"a file": {File{file}, []Server{{URL: "http://a:1"}, {URL: "https://b/path", Weight: 2, MaxInFlight: 9}}},
	} {
		got, err := c.source.Servers(t.Context())
		if err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s: %v, %s", name, err, cmp.Diff(c.want, got))
		}
	}
	for name, s := range map[string]Source{
		"host": Hosts{base(t, "http://other"), z}, "service": Services{base(t, "http://other"), z}, "file": File{file + ".none"},
	} {
		if got, err := s.Servers(t.Context()); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestURLsThatNoServerHasAreRefused(t *testing.T) {
	for _, text := range []string{"", "localhost:8000", "ftp://a", "http://", "http://u:p@a", "http://a?q=1", "http://a#f", "://"} {
		if u, err := ParseURL(text); !errors.Is(err, ErrURL) {
			t.Errorf("%q: %v, %v", text, u, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("- url: http://a\n")
	f.Add(`[{"url": "http://a", "weight": 1}]`)
	f.Add("- url: http://a\n  weight: .nan\n")
	f.Add("- url: http://a\n  other: 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		servers, err := parseFile([]byte(text))
		if err != nil {
			return
		}
		for _, s := range servers {
			if _, err := ParseURL(s.URL); err != nil || !(s.Weight >= 0) || s.MaxInFlight < 0 || strings.HasSuffix(s.URL, "/") {
				t.Errorf("%+v from %q", s, text)
			}
		}
	})
}
