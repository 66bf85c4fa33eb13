package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/internal/client"
)

func healthCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running daemon whether it is ready; for container health checks",
		Long: `Ask a running daemon whether it is ready; for container health checks. Without --config and --listen it asks the daemon that
this user runs on this machine, whatever that was started with.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := healthURL(e, cmd.Flags())
			if err != nil {
				return err
			}
			return askHealth(cmd.Context(), address, e.variable(config.VariableKey), cmd.OutOrStdout())
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

// healthURL is that of the daemon to ask.
func healthURL(e *environment, flags *pflag.FlagSet) (string, error) {
	if !flags.Changed("config") && !flags.Changed("listen") {
		if d, err := runningDaemon(e); err == nil && d != nil {
			return d.URL, nil
		}
	}
	c, err := config.Load(flags, e.variables)
	if err != nil {
		return "", err
	}
	network, address := c.Network()
	return baseURL(c, plainAddress{network, address}, nil), nil
}

// plainAddress is an address as configured.
type plainAddress struct{ network, address string }

func (a plainAddress) Network() string { return a.network }
func (a plainAddress) String() string  { return a.address }

// askHealth fails unless the daemon at address says that it is ready or, where it tells that only to those with a key
// and there is none, that it lives.
func askHealth(ctx context.Context, address, key string, out io.Writer) error {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// The certificate is for the daemon's name, and this asks the machine itself.
	c := client.New(client.Options{URL: address, Key: key, AnyCertificate: true})
	defer c.Close()
	status, body, err := readiness(ctx, c)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if _, err := fmt.Fprintln(out, strings.TrimSpace(string(body))); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("health: %s: status %d", address, status)
	}
	return nil
}

// readiness is what a daemon says of being ready or, where it tells that only to those with a key and there is none, of
// living: the reply's code and body.
func readiness(ctx context.Context, c *client.Client) (code int, body []byte, err error) {
	code, body, err = c.Get(ctx, "/health/ready")
	if err == nil && code == http.StatusUnauthorized {
		code, body, err = c.Get(ctx, "/health/live")
	}
	return code, body, err
}

// statusIn is the status that a reply about health tells; empty where it tells none.
func statusIn(body []byte) string {
	var reply struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(body, &reply) // what is no JSON tells none
	return reply.Status
}
