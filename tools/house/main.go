// Command house measures how a module's Go code is built: the sizes of its packages, files, functions and types, what
// imports what, how much of it is comments and tests, and which files of a package lean on each other.
//
// It reads sources and the compiler's export data. It does not judge: the limits are in style_test.go and
// .golangci.yml. It must not change a file.
//
// Run it from anywhere as `go -C tools run ./house [FOLDER]`, where FOLDER is the module to measure; it is the
// repository's root if it is not given. Cgo's flags should be set as for a build, or llama.cpp is compiled anew.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "house:", err)
		stop()
		os.Exit(1)
	}
}

// run measures the module in the folder that args name and writes a table in Markdown.
func run(ctx context.Context, args []string, out io.Writer) error {
	folder := ".."
	switch len(args) {
	case 0:
	case 1:
		folder = args[0]
	default:
		return fmt.Errorf("%d arguments, want at most a folder", len(args))
	}
	packages, err := load(ctx, folder)
	if err != nil {
		return err
	}
	return measure(packages).write(out)
}
