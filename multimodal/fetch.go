package multimodal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// FetcherOptions bound what a Fetcher does. Zero fields take the defaults named beside them.
type FetcherOptions struct {
	// AllowedHosts may lie at private addresses and use any port: names or addresses, with or without a port.
	AllowedHosts []string
	// MaxBytes of a body (32 MiB).
	MaxBytes int64
	// Timeout of a whole fetch, redirects included (15 s); ConnectTimeout of each connection (5 s).
	Timeout, ConnectTimeout time.Duration
	// MaxRedirects that are followed (3; negative for none), each checked like the first URL.
	MaxRedirects int
	// UserAgent that is sent (qwenvld), and the media types that are Accepted (image/*).
	UserAgent, Accept string
}

func (o FetcherOptions) withDefaults() FetcherOptions {
	if o.MaxBytes == 0 {
		o.MaxBytes = 32 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 5 * time.Second
	}
	if o.MaxRedirects == 0 {
		o.MaxRedirects = 3
	}
	if o.UserAgent == "" {
		o.UserAgent = "qwenvld"
	}
	if o.Accept == "" {
		o.Accept = "image/*"
	}
	return o
}

// Fetcher brings in what http and https URLs lead to, and nothing from inside the operator's network: the address is
// checked where it is dialled, after the name was resolved, so neither redirects nor changing DNS answers get around
// it. It uses no proxy and keeps no cookies. It is safe for concurrent use.
type Fetcher struct {
	o       FetcherOptions
	guard   control
	public  *http.Client
	allowed *http.Client // for AllowedHosts, which are not checked
}

// NewFetcher returns a Fetcher. The caller must Close it.
func NewFetcher(o FetcherOptions) *Fetcher {
	f := &Fetcher{o: o.withDefaults()}
	guard := ssrf.New(ssrf.WithPorts(80, 443))
	f.guard = func(network, address string, c syscall.RawConn) error {
		return guard.Safe(network, unmapped(address), c)
	}
	f.public, f.allowed = f.client(f.guard, nil), f.client(nil, nil)
	return f
}

// unmapped writes an IPv4 address that is mapped into IPv6 as IPv4, so that no list has to know both.
func unmapped(address string) string {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return address // the guard refuses it
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
}

// control may refuse a connection before it is made (net.Dialer).
type control func(network, address string, c syscall.RawConn) error

func (f *Fetcher) client(check control, names *net.Resolver) *http.Client {
	dialer := &net.Dialer{Timeout: f.o.ConnectTimeout, Control: check, Resolver: names}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			DisableCompression:     true,
			MaxIdleConns:           32,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
			TLSHandshakeTimeout:    f.o.ConnectTimeout,
			ResponseHeaderTimeout:  f.o.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
		// Redirects are followed by Fetch, which checks them.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close closes idle connections.
func (f *Fetcher) Close() error {
	f.public.CloseIdleConnections()
	f.allowed.CloseIdleConnections()
	return nil
}

// Fetch returns the body behind rawURL. Errors are *Error and name no addresses.
func (f *Fetcher) Fetch(ctx context.Context, rawURL string) ([]byte, error) {
	var body bytes.Buffer
	if err := f.FetchInto(ctx, rawURL, &body); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// FetchInto writes the body behind rawURL to w as it comes. After an error w may hold a part of it. Errors are *Error
// and name no addresses; those of w are returned as they are.
func (f *Fetcher) FetchInto(ctx context.Context, rawURL string, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	u, err := f.check(rawURL)
	if err != nil {
		return err
	}
	for redirects := 0; ; redirects++ {
		location, err := f.get(ctx, u, w)
		if err != nil || location == "" {
			return err
		}
		if redirects >= f.o.MaxRedirects {
			return fault(KindFetch, nil, "The URL redirects more than %d times.", max(f.o.MaxRedirects, 0))
		}
		next, err := u.Parse(location)
		if err != nil {
			return fault(KindFetch, err, "The URL redirects to something that is not a URL.")
		}
		if u.Scheme == "https" && next.Scheme == "http" {
			return fault(KindForbidden, nil, "The URL redirects from https to http.")
		}
		if u, err = f.check(next.String()); err != nil {
			return fault(KindForbidden, err, "The URL redirects to an address that may not be fetched.")
		}
	}
}

// check finds what can be told from a URL alone.
func (f *Fetcher) check(rawURL string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, fault(KindURL, err, "This is not a valid http or https URL.")
	}
	u.Scheme = strings.ToLower(u.Scheme)
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault(KindURL, nil, "Only http and https URLs are fetched.")
	}
	if u.User != nil {
		return nil, fault(KindURL, nil, "URLs with a user name or password are not fetched.")
	}
	if port := u.Port(); port != "" && port != "80" && port != "443" && !f.isAllowed(u) {
		return nil, fault(KindForbidden, nil, "Only ports 80 and 443 are fetched from.")
	}
	return u, nil
}

func (f *Fetcher) isAllowed(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	full := net.JoinHostPort(u.Hostname(), port)
	return slices.ContainsFunc(f.o.AllowedHosts, func(h string) bool {
		return strings.EqualFold(h, u.Hostname()) || strings.EqualFold(h, u.Host) || strings.EqualFold(h, full)
	})
}

// get fetches u into w, or returns the location that it redirects to.
func (f *Fetcher) get(ctx context.Context, u *url.URL, w io.Writer) (location string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return "", fault(KindURL, err, "This is not a valid http or https URL.")
	}
	req.Header.Set("User-Agent", f.o.UserAgent)
	req.Header.Set("Accept", f.o.Accept)
	client := f.public
	if f.isAllowed(u) {
		client = f.allowed
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fetchFault(ctx, u, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if location = resp.Header.Get("Location"); location == "" {
			return "", fault(KindFetch, nil, "The URL redirects nowhere.")
		}
		return location, nil
	default:
		return "", fault(KindFetch, nil, "The server of the URL answered with status %d.", resp.StatusCode)
	}
	if resp.ContentLength > f.o.MaxBytes {
		return "", tooManyBytes(int(f.o.MaxBytes))
	}
	return "", f.save(ctx, u, resp.Body, w)
}

// save copies a body as far as it may go.
func (f *Fetcher) save(ctx context.Context, u *url.URL, body io.Reader, w io.Writer) error {
	in := &remote{r: body}
	n, err := io.Copy(w, io.LimitReader(in, f.o.MaxBytes+1))
	switch {
	case in.err != nil:
		return fetchFault(ctx, u, in.err)
	case err != nil:
		return err
	case n > f.o.MaxBytes:
		return tooManyBytes(int(f.o.MaxBytes))
	case n == 0:
		return fault(KindFetch, nil, "The server of the URL answered with nothing.")
	}
	return nil
}

// remote keeps a reader's error apart from the writer's.
type remote struct {
	r   io.Reader
	err error
}

func (r *remote) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// fetchFault explains err without what it says about addresses. A caller that gave up gets its own cause. Names that
// lead inside and names that lead nowhere are one and the same from outside: which of an operator's names exist is
// nobody's business.
func fetchFault(ctx context.Context, u *url.URL, err error) error {
	var network net.Error
	var unknown *net.DNSError
	forbidden := errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedPort) ||
		errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Cause(ctx)
	case forbidden && namesItsAddress(u.Hostname()):
		return fault(KindForbidden, err, "The URL leads to an address that may not be fetched.")
	case forbidden, errors.As(err, &unknown):
		return fault(KindFetch, err, fetchFailed)
	case ctx.Err() != nil, errors.As(err, &network) && network.Timeout():
		return fault(KindTimeout, err, "The server of the URL did not answer in time.")
	default:
		return fault(KindFetch, err, fetchFailed)
	}
}

const fetchFailed = "The URL could not be fetched: its host is unknown, does not answer or may not be fetched from."

// namesItsAddress reports whether a host's name is its address, which then is no secret.
func namesItsAddress(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
