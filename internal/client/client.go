// Package client speaks to a running daemon over its HTTP API, as the commands in the terminal do.
//
// It does not know more of the daemon than any other client could, and it must not print anything.
package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// maxReply bounds what is read of a reply in one piece, in bytes.
const maxReply = 64 << 20

// Options say which daemon, and who asks.
type Options struct {
	// URL is the daemon's address, with or without scheme and /v1, or unix: and the path of its socket.
	URL string
	// Key is the API key, empty for none.
	Key string
	// AnyCertificate takes whatever certificate the daemon shows: for asking this very machine by another name than its
	// own.
	AnyCertificate bool
}

// Client is safe for concurrent use.
type Client struct {
	http *http.Client
	base string
	key  string
}

// New returns a Client. Close ends its connections.
func New(o Options) *Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: o.AnyCertificate}, //nolint:gosec // by the caller's wish
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
	c := &Client{http: &http.Client{Transport: transport}, key: o.Key, base: BaseURL(o.URL)}
	var d net.Dialer
	d.Timeout = 10 * time.Second
	transport.DialContext = d.DialContext
	if file, ok := strings.CutPrefix(o.URL, "unix:"); ok {
		c.base, transport.Proxy = "http://localhost", nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", file) }
	}
	return c
}

// BaseURL completes an address as people write it: localhost:8080, http://localhost:8080/v1/.
func BaseURL(address string) string {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	return strings.TrimSuffix(strings.TrimRight(address, "/"), "/v1")
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is a refusal by the daemon.
type Error struct {
	Status  int
	Message string
	Param   string // the part of the request that is at fault, if one is
	Code    string
}

func (e *Error) Error() string {
	if e.Param != "" {
		return fmt.Sprintf("%s (%s)", e.Message, e.Param)
	}
	return e.Message
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	return c.http.Do(req)
}

// Get asks for path and returns the reply whatever its status.
func (c *Client) Get(ctx context.Context, path string) (status int, body []byte, err error) {
	resp, err := c.do(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply))
	return resp.StatusCode, body, err
}

// post sends v to path. A refusal is an *Error.
func (c *Client) post(ctx context.Context, path string, v any) (*http.Response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	resp, err := c.do(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, err
	}
	return nil, refusal(resp.StatusCode, text)
}

// refusal reads an error in the API's form, or in any other.
func refusal(status int, text []byte) error {
	var reply struct {
		Error *wireError `json:"error"`
	}
	if json.Unmarshal(text, &reply) != nil || reply.Error == nil || reply.Error.Message == "" {
		const most = 200
		short := strings.TrimSpace(string(text[:min(len(text), most)]))
		return &Error{Status: status, Message: strings.TrimSpace(fmt.Sprintf("status %d %s", status, short))}
	}
	return reply.Error.unpack(status)
}

// wireError is an error as the API writes it.
type wireError struct {
	Message string `json:"message"`
	Param   string `json:"param"`
	Code    any    `json:"code"`
}

func (e *wireError) unpack(status int) *Error {
	code, _ := e.Code.(string)
	return &Error{Status: status, Message: cmp.Or(e.Message, "the server reports an error without a message"), Param: e.Param, Code: code}
}

// IsRefused tells whether err is a refusal by the daemon rather than a connection that failed.
func IsRefused(err error) bool {
	var e *Error
	return errors.As(err, &e)
}
