package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// clientFaults are clients that leave, stall and trickle.
func clientFaults() []fault {
	var out []fault
	add := func(name string, run func(ctx context.Context, s *subject) error) {
		out = append(out, fault{name: name, run: run})
	}
	for _, at := range stages() {
		add("clients leave: "+at.name, func(ctx context.Context, s *subject) error {
			return s.at(ctx, &at, daemon.Variants(), func(c *crowd) error { c.gone(); return nil })
		})
	}
	add("clients leave: while they send", leaveSending)
	add("clients leave: a picture is fetched", leaveFetching)
	add("clients leave: a picture is decoded", leaveDecoding)
	add("clients that do not read", stall)
	add("bodies and headers that trickle", trickle)
	return out
}

// leaveFetching has clients leave while their pictures' source does not answer.
func leaveFetching(ctx context.Context, s *subject) error {
	c := s.newCrowd(ctx)
	defer c.gone()
	const requests = 4
	for i := range requests {
		c.ask(traffic.Image(traffic.Of("instruct"), fmt.Sprintf("http://%s/%d.png", s.source.host(), i)))
	}
	for range requests {
		select {
		case <-s.source.asked:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// leaveDecoding has clients leave while their pictures are decoded, which takes long.
func leaveDecoding(ctx context.Context, s *subject) error {
	c := s.newCrowd(ctx)
	defer c.gone()
	return c.decodeSlowly(ctx)
}

// connect opens a connection to the daemon that reads as little as it can.
func (s *subject) connect(ctx context.Context) (*net.TCPConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(s.daemon().URL, "http://"))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(errors.New("no TCP connection"), conn.Close())
	}
	const little = 4096
	return tcp, tcp.SetReadBuffer(little)
}

// head is a request's header for a body of so many bytes.
func head(length int) string {
	const fields = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
	return fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\n"+fields, length)
}

// leaveSending closes connections in the middle of bodies.
func leaveSending(ctx context.Context, s *subject) error {
	const requests, length, sent = 4, 1 << 20, 1 << 17
	for range requests {
		conn, err := s.connect(ctx)
		if err != nil {
			return err
		}
		_, err = io.WriteString(conn, head(length)+`{"model": "`+strings.Repeat("x", sent))
		if err = errors.Join(err, conn.Close()); err != nil {
			return fmt.Errorf("send a part: %w", err)
		}
		s.ledger.Note(traffic.Result{Outcome: traffic.Left})
	}
	return nil
}

// stall asks for long streams and reads nothing of them until the daemon gives the answers up.
func stall(ctx context.Context, s *subject) error {
	const requests = 4
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	// Enough bytes to fill all buffers between the two: an answer whose every token has twenty alternatives.
	r := traffic.Endless(traffic.Of("instruct"), 3500).With("logprobs", true).With("top_logprobs", 20)
	body, err := r.JSON()
	if err != nil {
		return err
	}
	for range requests {
		conn, err := s.connect(ctx)
		if err != nil {
			return err
		}
		conns = append(conns, conn)
		if _, err := io.WriteString(conn, head(len(body))+string(body)); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	began := time.Now()
	// The daemon waits 30 seconds for a write. What is sent to a connection that it has closed is refused.
	const patience = 4 * time.Minute // a slow machine takes long to fill the buffers
	err = daemon.Await(ctx, patience, func() bool {
		conns = slices.DeleteFunc(conns, func(c net.Conn) bool {
			_, err := c.Write([]byte{' '})
			if err != nil {
				_ = c.Close()
			}
			return err != nil
		})
		return len(conns) == 0
	})
	if err != nil {
		return fmt.Errorf("the daemon does not give answers up that nobody reads: %w", err)
	}
	s.note = fmt.Sprintf("given up after %v", time.Since(began).Round(time.Second))
	for range requests {
		s.ledger.Note(traffic.Result{Outcome: traffic.Left})
	}
	return nil
}

// trickle sends bodies and headers a byte at a time.
func trickle(ctx context.Context, s *subject) error {
	const each = 4
	var all sync.WaitGroup
	errs := make(chan error, 2*each)
	for range each {
		all.Go(func() { errs <- s.drip(ctx, head(1<<20), `{"model": "`) })
		all.Go(func() { errs <- s.drip(ctx, "", head(1<<20)) })
	}
	all.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// drip sends a part at once and the rest slowly, and notes what the daemon says to that.
func (s *subject) drip(ctx context.Context, part, rest string) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	over := make(chan struct{})
	var dripping sync.WaitGroup
	dripping.Go(func() {
		_, _ = io.WriteString(conn, part)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			b := byte(' ')
			if i < len(rest) {
				b = rest[i]
			}
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-over:
				return
			}
		}
	})
	const patience = 2 * time.Minute
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	var out traffic.Result
	if err == nil {
		out = traffic.ReadRefusal(resp)
		_ = resp.Body.Close()
	} else {
		out = traffic.Result{Outcome: traffic.Lost, Reason: "a request that trickles: " + err.Error()}
	}
	s.ledger.Note(out)
	close(over)
	err = conn.Close()
	dripping.Wait()
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
