// Package fetch asks Hugging Face's hub and ModelScope what a repository holds, and downloads files of it: resumed
// where they were broken off, checked against the hub's own hash.
//
// It must not decide which files are wanted or where they are kept, and it must not send a token to any host but the
// hub's.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/hub"
)

// Options of a Client. The zero value asks the public hubs without a token.
type Options struct {
	// HuggingFace and ModelScope are the hubs' addresses; a mirror's may have a path.
	HuggingFace, ModelScope string
	// Token is for the repositories of Hugging Face's hub, or of its mirror, that are not public.
	Token string
	// Agent names the program to the hubs.
	Agent string
	// Stall is how long a transfer may stand still (30 s).
	Stall time.Duration
	// Tries is how often something is tried again in a row without any progress (6).
	Tries int
	// Wait waits between tries; nil waits by the clock.
	Wait func(context.Context, time.Duration) error
}

// Client asks hubs. It is safe for concurrent use.
type Client struct {
	o    Options
	http *http.Client
}

// New makes a client, which the caller must Close.
func New(o Options) (*Client, error) {
	o.HuggingFace = strings.TrimRight(cmp.Or(o.HuggingFace, "https://huggingface.co"), "/")
	o.ModelScope = strings.TrimRight(cmp.Or(o.ModelScope, "https://modelscope.cn"), "/")
	o.Stall = cmp.Or(o.Stall, 30*time.Second)
	o.Tries = cmp.Or(o.Tries, 6)
	if o.Wait == nil {
		o.Wait = wait
	}
	for _, address := range []string{o.HuggingFace, o.ModelScope} {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return nil, fmt.Errorf("hub: %q is no http or https address", address)
		}
	}
	if strings.ContainsAny(o.Token, "\r\n") {
		return nil, errors.New("hub: the token has several lines")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: o.Stall}).DialContext,
		TLSHandshakeTimeout: o.Stall, ResponseHeaderTimeout: o.Stall, IdleConnTimeout: time.Minute,
		ForceAttemptHTTP2:  true,
		DisableCompression: true, // a range is of the bytes as they are
	}
	return &Client{o, &http.Client{Transport: transport, CheckRedirect: followed}}, nil
}

// Close gives connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

const maxRedirects = 10

// followed lets redirects go anywhere, since what comes is checked by its hash, but without the token, and never from
// https to http. Go itself would send the token on to all hosts below the first one's name.
func followed(req *http.Request, before []*http.Request) error {
	first := before[0].URL
	switch {
	case len(before) > maxRedirects:
		return errors.New("too many redirects")
	case first.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("a redirect from https to %s://%s", req.URL.Scheme, req.URL.Host)
	case req.URL.Host != first.Host || req.URL.Scheme != first.Scheme:
		req.Header.Del("Authorization")
	}
	return nil
}

// get asks for address from offset on. The reply's status is 200 or 206; all else is a *StatusError.
func (c *Client) get(ctx context.Context, host hub.Host, address string, offset int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	req.Header.Set("User-Agent", cmp.Or(c.o.Agent, "qwenvld"))
	if c.o.Token != "" && host == hub.HuggingFace {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, withoutQuery(err)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, newStatusError(resp)
}

// withoutQuery names only the host that a request was for: what hubs redirect to has a signature in its address, with
// which anybody could read the file.
func withoutQuery(err error) error {
	var failed *url.Error
	if !errors.As(err, &failed) {
		return err
	}
	host := ""
	if u, perr := url.Parse(failed.URL); perr == nil {
		host = u.Host
	}
	return fmt.Errorf("%s: %w", host, failed.Err)
}

// base is the address of a hub.
func (c *Client) base(host hub.Host) string {
	if host == hub.ModelScope {
		return c.o.ModelScope
	}
	return c.o.HuggingFace
}

// URL is the address of a file as it was in a commit.
func (c *Client) URL(s hub.Source, commit, path string) string {
	middle := "/"
	if s.Host == hub.ModelScope {
		middle = "/models/"
		commit = s.Revision // what it names its snapshots by is not a commit
	}
	return c.base(s.Host) + middle + s.Repo + "/resolve/" + url.PathEscape(commit) + "/" + (&url.URL{Path: path}).EscapedPath()
}

// Open reads a file from its beginning. It tries once: it is for a look at headers.
func (c *Client) Open(ctx context.Context, s hub.Source, commit, path string) (io.ReadCloser, error) {
	resp, err := c.get(ctx, s.Host, c.URL(s, commit, path), 0)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
