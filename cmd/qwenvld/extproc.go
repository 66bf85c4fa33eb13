package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/api/extproc"
	"github.com/qwenvld/qwenvld/config"
)

func extprocCommand(e *environment) *cobra.Command {
	o := extproc.Options{BodyBytes: int(config.Default().Limits.BodyBytes)}
	var listen, keyFile string
	cmd := &cobra.Command{
		Use:   "extproc",
		Short: "Let Envoy ask a daemon's router: serve external processing, which sets the model and headers of chat completions",
		Long: `Let Envoy ask a daemon's router: serve external processing over gRPC. Each chat completion's body is shown to the daemon's
/v1/route. Its model and the headers ` + extproc.HeaderModel + `, ` + extproc.HeaderVariant + ` and
` + extproc.HeaderBudget + ` are set to what that decides, by which Envoy chooses a cluster. Where the daemon does not
answer in time, the request goes on as it came.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Logger = slog.New(slog.NewTextHandler(e.stderr, nil))
			if o.Key = e.variable(config.VariableKey); keyFile != "" {
				key, err := os.ReadFile(keyFile) //nolint:gosec // whoever starts it names the file
				if err != nil {
					return fmt.Errorf("key: %w", err)
				}
				o.Key = strings.TrimSpace(string(key))
			}
			p, err := extproc.New(o)
			if err != nil {
				return &usageError{cmd, err}
			}
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			o.Logger.Info("serving external processing", "address", l.Addr().String(), "router", o.Router)
			return p.Serve(cmd.Context(), l)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:9002", "address to serve gRPC on")
	flags.StringVar(&o.Router, "router", "http://127.0.0.1:8080", "base of the daemon that decides")
	flags.StringVar(&o.Instruct, "instruct", "",
		"what the pool of the weights that answer directly calls its model (default the request's model and -instruct)")
	flags.StringVar(&o.Thinking, "thinking", "",
		"the same for the weights that think first (default the request's model and -thinking)")
	flags.StringVar(&keyFile, "key-file", "", "file with the daemon's API key (default "+config.VariableKey+")")
	flags.DurationVar(&o.Patience, "timeout", 50*time.Millisecond, "how long a decision may take")
	return cmd
}
