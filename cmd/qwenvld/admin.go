package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/config"
)

// listenAdmin opens the address that operators have, nil where they have none.
func listenAdmin(ctx context.Context, c *config.Config) (net.Listener, error) {
	if c.Admin.Listen == "" {
		return nil, nil
	}
	network, address := c.Admin.Network()
	return listenAt(ctx, network, address, "`admin.listen` in the configuration")
}

// serveAdmin serves operators on l until stop is called, which the daemon does last: it is looked into most when it
// does not come to its end. Beyond this machine https is spoken where clients speak it.
func (d *daemon) serveAdmin(l net.Listener, printConfig func(io.Writer) error) (stop func(), err error) {
	network, address := d.config.Admin.Network()
	remote := !config.Local(network, address)
	h, err := d.server.Operators(api.OperatorOptions{Remote: remote, PrintConfig: printConfig})
	if err != nil {
		return nil, err
	}
	if secured := d.secured(); remote && secured != nil {
		l = tls.NewListener(l, secured)
	}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(d.logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	d.logger.Info("serving operators", "address", fmt.Sprint(l.Addr()))
	return func() {
		_ = srv.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			d.logger.Error("operators were not served to the end", "error", err)
		}
	}, nil
}
