// Package rawreply makes JSON of the few replies that net/http writes by itself, past every handler: to requests that
// are malformed or whose header is too long even to be looked at.
//
// It knows such a reply by its exact form. It must not touch any other bytes of a connection.
package rawreply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Listen wraps l so that its connections reply in JSON. It is of no use below TLS, where the replies are encrypted.
func Listen(l net.Listener) net.Listener { return listener{l} }

// listener wraps the connections that it accepts.
type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{c}, nil
}

// conn looks at what is written and replaces the replies that net/http writes by itself.
type conn struct{ net.Conn }

// CloseWrite lets net/http end its replies without breaking the connection off, where the network can.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	out, ok := translate(p)
	if !ok {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// headers are those of net/http's own replies, which have no Date as all others do.
const headers = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// translate gives the JSON form of a reply that net/http wrote by itself.
func translate(p []byte) ([]byte, bool) {
	const start = "HTTP/1.1 "
	if !bytes.HasPrefix(p, []byte(start)) {
		return nil, false
	}
	line, text, ok := bytes.Cut(p[len(start):], []byte(headers))
	if !ok || bytes.ContainsAny(line, "\r\n") {
		return nil, false
	}
	word, _, _ := bytes.Cut(line, []byte(" "))
	status, err := strconv.Atoi(string(word))
	if err != nil {
		return nil, false
	}
	code := "malformed_request"
	switch status {
	case 431:
		code = "header_too_large"
	case 501, 505:
		code = "unsupported_protocol"
	}
	body, err := json.Marshal(map[string]any{"error": map[string]any{
		"message": string(text), "type": "invalid_request_error", "param": nil, "code": code,
	}})
	if err != nil {
		return nil, false
	}
	return fmt.Appendf(nil, "%s%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		start, line, len(body), body), true
}
