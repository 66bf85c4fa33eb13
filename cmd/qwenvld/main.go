// Command qwenvld serves Qwen3-VL over the OpenAI HTTP API. This package reads the command line and configuration and puts the
// parts together. It must not have logic of its own.
package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
)

// version is set when building releases.
var version = "dev"

func main() {
	ctx, stop := withSignals(context.Background())
	err := root().ExecuteContext(ctx)
	stop()
	os.Exit(report(err, os.Stderr))
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "qwenvld",
		Short:         "Serves Qwen3-VL over the OpenAI HTTP API, choosing instruct or thinking weights per request",
		Version:       version,
		SilenceErrors: true, // main prints them
		SilenceUsage:  true,
	}
	cmd.SetVersionTemplate("qwenvld {{.Version}}\n")
	cmd.AddCommand(serveCommand(), workerCommand(), decodeCommand(), routeCommand(), routerCommand(), healthCommand(), keyCommand(),
		examplesCommand(), askCommand(), chatCommand(), versionCommand())
	checkUsage(cmd)
	return cmd
}
