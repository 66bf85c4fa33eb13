// Package discover finds the servers of a pool: those of a list, those that a name in the DNS stands for, and those of
// a file that others write.
//
// It must not talk to the servers themselves, remember anything between two looks, or decide how often to look.
package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Server is a server that was found.
type Server struct {
	// URL is its base, without a path's slash at the end.
	URL string
	// Weight and MaxInFlight are 0 where the source says nothing of them.
	Weight      float64
	MaxInFlight int
}

// Source is where servers are found. It must be safe for concurrent use.
type Source interface {
	// Servers looks once. On an error what was found before still holds.
	Servers(ctx context.Context) ([]Server, error)
}

// Resolver asks the DNS. *net.Resolver is one.
type Resolver interface {
	// LookupHost gives the addresses of a host, LookupSRV the records of a service by its whole name.
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

var _ Resolver = (*net.Resolver)(nil)

// ErrURL is a base that no server can have.
var ErrURL = errors.New("must be http:// or https://, a host, and perhaps a path")

// ParseURL reads the base of a server.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q: %w", text, ErrURL)
	}
	return u, nil
}

// Static is a server that is always there.
type Static struct{ Server Server }

// Servers gives the one.
func (s Static) Servers(context.Context) ([]Server, error) { return []Server{s.Server}, nil }

// Hosts finds the servers behind a host's addresses, as those of a headless service.
type Hosts struct {
	// Base is a URL whose host has the addresses.
	Base     *url.URL
	Resolver Resolver
}

// Servers looks the host up.
func (h Hosts) Servers(ctx context.Context) ([]Server, error) {
	addresses, err := h.Resolver.LookupHost(ctx, h.Base.Hostname())
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", h.Base.Hostname(), err)
	}
	out := make([]Server, 0, len(addresses))
	for _, a := range slices.Compact(slices.Sorted(slices.Values(addresses))) {
		out = append(out, Server{URL: at(h.Base, a, h.Base.Port())})
	}
	return out, nil
}

// Services finds the servers of SRV records: those of the best priority, with their weights.
type Services struct {
	// Base is a URL whose host is the records' name, such as _http._tcp.vllm.default.svc.cluster.local.
	Base     *url.URL
	Resolver Resolver
}

// Servers looks the records up.
func (s Services) Servers(ctx context.Context) ([]Server, error) {
	_, records, err := s.Resolver.LookupSRV(ctx, "", "", s.Base.Hostname())
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", s.Base.Hostname(), err)
	}
	var out []Server
	for _, r := range records {
		if r.Priority != records[0].Priority {
			continue
		}
		host := strings.TrimSuffix(r.Target, ".")
		out = append(out, Server{URL: at(s.Base, host, strconv.Itoa(int(r.Port))), Weight: float64(max(r.Weight, 1))})
	}
	slices.SortFunc(out, func(a, b Server) int { return strings.Compare(a.URL, b.URL) })
	return out, nil
}

// at is base with another host.
func at(base *url.URL, host, port string) string {
	u := *base
	switch {
	case port != "":
		u.Host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		u.Host = "[" + host + "]"
	default:
		u.Host = host
	}
	return u.String()
}

// File finds the servers that a YAML or JSON file lists: a list of {url, weight, max_in_flight}. Who writes it puts a
// whole new file in its place.
type File struct{ Path string }

// maxFile bounds the file in bytes.
const maxFile = 1 << 20

// Servers reads the file.
func (f File) Servers(context.Context) ([]Server, error) {
	data, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("list of servers: %w", err)
	}
	out, err := parseFile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return out, nil
}

func parseFile(data []byte) ([]Server, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("has more than %d bytes", maxFile)
	}
	var list []struct {
		URL         string  `yaml:"url"`
		Weight      float64 `yaml:"weight"`
		MaxInFlight int     `yaml:"max_in_flight"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil {
		return nil, err
	}
	out := make([]Server, 0, len(list))
	for i, s := range list {
		u, err := ParseURL(s.URL)
		if err != nil {
			return nil, fmt.Errorf("[%d].url: %w", i, err)
		}
		if !(s.Weight >= 0) || s.MaxInFlight < 0 {
			return nil, fmt.Errorf("[%d]: weight and max_in_flight must not be negative", i)
		}
		out = append(out, Server{URL: u.String(), Weight: s.Weight, MaxInFlight: s.MaxInFlight})
	}
	return out, nil
}
