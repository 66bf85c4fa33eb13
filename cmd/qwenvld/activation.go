package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// The variables and the first descriptor by which a service manager hands sockets over (sd_listen_fds of systemd).
const (
	activationPID   = "LISTEN_PID"
	activationCount = "LISTEN_FDS"
	activationFirst = 3
)

// handedOver is the listening socket that whoever started the process pid with these variables has handed to it, nil
// where there is none.
func handedOver(e *environment, pid int) (net.Listener, error) {
	if e.variable(activationPID) != strconv.Itoa(pid) {
		return nil, nil // meant for another process, or for none
	}
	n, err := strconv.Atoi(e.variable(activationCount))
	if err != nil || n != 1 {
		return nil, fmt.Errorf("%s is %q: the daemon listens on one socket", activationCount, e.variable(activationCount))
	}
	file := os.NewFile(activationFirst, "socket")
	// The listener has a descriptor of its own, which children do not inherit.
	l, err := net.FileListener(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("the socket that was handed over: %w", err)
	}
	return newSharedListener(l), nil
}

// sharedListener accepts from a socket that others hold, too: the service manager, and another daemon that takes over.
// What connects while nobody accepts waits in the socket.
type sharedListener struct {
	net.Listener
	left, closed         chan struct{}
	leaveOnce, closeOnce sync.Once
}

func newSharedListener(l net.Listener) *sharedListener {
	return &sharedListener{Listener: l, left: make(chan struct{}), closed: make(chan struct{})}
}

// Leave has nothing accepted any more. Accept blocks from then on until the listener is closed, so that who serves on
// it goes on with the connections that there are.
func (l *sharedListener) Leave() {
	l.leaveOnce.Do(func() {
		close(l.left)
		if d, ok := l.Listener.(interface{ SetDeadline(t time.Time) error }); ok {
			_ = d.SetDeadline(time.Unix(1, 0)) // ends an Accept that waits
		}
	})
}

// Accept implements net.Listener.
func (l *sharedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		return conn, nil
	}
	select {
	case <-l.left:
		<-l.closed
		return nil, net.ErrClosed
	default:
		return nil, err
	}
}

// Close implements net.Listener.
func (l *sharedListener) Close() error {
	err := l.Listener.Close()
	l.closeOnce.Do(func() { close(l.closed) })
	return err
}
