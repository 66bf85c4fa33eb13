package main

import (
	"context"

	"github.com/spf13/cobra"
)

// run runs the command that e's arguments name, and tells e's standard error what went wrong. What it returns is for
// exitCode.
func run(ctx context.Context, e *environment) error {
	cmd := root(e)
	cmd.SetArgs(e.args[1:])
	cmd.SetIn(e.stdin)
	cmd.SetOut(e.stdout)
	cmd.SetErr(e.stderr)
	err := cmd.ExecuteContext(ctx)
	report(err, e.stderr)
	return err
}

func root(e *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "qwenvld",
		Short:         "Serves Qwen3-VL over the OpenAI HTTP API, choosing instruct or thinking weights per request",
		Version:       version,
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
	}
	cmd.SetVersionTemplate("qwenvld {{.Version}}\n")
	cmd.AddCommand(serveCommand(e), workerCommand(e), decodeCommand(e), probeCommand(e), devicesCommand(e), proveCommand(e),
		selftestCommand(e),
		routeCommand(e), routerCommand(e), extprocCommand(e), healthCommand(e), keyCommand(),
		configCommand(e),
		pullCommand(e), listCommand(e), showCommand(e), rmCommand(e),
		benchCommand(e), examplesCommand(e), askCommand(e), chatCommand(e), versionCommand())
	checkUsage(cmd)
	return cmd
}
