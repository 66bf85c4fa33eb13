// Command qwenvld serves Qwen3-VL over the OpenAI HTTP API. This package reads the command line and the configuration
// and puts the parts together. It must not hold logic of its own, and it must not be imported.
package main

import (
	"context"
	"os"
)

// version is set when building releases.
var version = "dev"

func main() {
	ctx, stop := withSignals(context.Background())
	err := run(ctx, &environment{
		args: os.Args, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, variables: os.Environ(),
		tempDir: os.TempDir(), cacheDir: os.UserCacheDir, executable: os.Executable, itself: itselfAt(linuxItself),
	})
	stop()
	os.Exit(exitCode(err))
}
