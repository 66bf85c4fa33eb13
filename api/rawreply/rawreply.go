// Package rawreply makes JSON of the few replies that net/http writes by itself, past every handler: to requests that
// are malformed or whose header is too long even to be looked at. Where net/http closes a connection without a word,
// because a header did not come in time, it says why.
//
// It knows such a reply by its exact form. It must not touch any other bytes of a connection.
package rawreply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
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
	return &conn{Conn: c}, nil
}

// conn looks at what is written and replaces the replies that net/http writes by itself.
type conn struct {
	net.Conn

	mu sync.Mutex
	// begun says that something of a request has come since the last reply, late that the last wait for more was too
	// long.
	begun, late bool
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = c.begun || n > 0
	c.late = errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}

// Close implements net.Conn. It answers a request of which a part has come and not the rest.
func (c *conn) Close() error {
	c.mu.Lock()
	unanswered := c.begun && c.late
	c.begun = false
	c.mu.Unlock()
	if unanswered {
		c.sayLate()
	}
	return c.Conn.Close()
}

// sayLate replies to a request whose header does not come to its end. What the client sends on would have the system
// drop the reply, so it is read for a moment.
func (c *conn) sayLate() {
	const moment = 500 * time.Millisecond
	_ = c.SetDeadline(time.Now().Add(moment))
	reply, err := inJSON("408 Request Timeout", "request_timeout", "The request's header did not come in time.")
	if err != nil {
		return
	}
	if _, err := c.Conn.Write(reply); err == nil && c.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c.Conn)
	}
}

// CloseWrite lets net/http end its replies without breaking the connection off, where the network can.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Write implements net.Conn. What net/http takes for a malformed request may be one of which the rest did not come.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	late := c.late
	c.begun = false
	c.mu.Unlock()
	out, ok := translate(p)
	if !ok {
		return c.Conn.Write(p)
	}
	if late {
		c.sayLate()
		return len(p), nil
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
	reply, err := inJSON(line, code, text)
	return reply, err == nil
}

// inJSON is a reply with an error in the API's form. The status line's end names the status.
func inJSON[T string | []byte](status T, code string, text T) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"error": map[string]any{
		"message": string(text), "type": "invalid_request_error", "param": nil, "code": code,
	}})
	if err != nil {
		return nil, fmt.Errorf("write an error: %w", err)
	}
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, len(body), body), nil
}
