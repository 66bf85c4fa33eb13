package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailure     = 1
	exitUsage       = 2   // the command line is wrong
	exitInterrupted = 130 // as of a program that Ctrl-C has ended
)

// usageError is a command line that is wrong.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errInterrupted is the end of a command by Ctrl-C: nothing to explain.
var errInterrupted = errors.New("interrupted")

// checkUsage makes cmd and all below it name their usage where the command line is wrong, and refuse commands that they
// do not have.
func checkUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{c, err} })
	switch check := cmd.Args; {
	case check != nil:
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{c, err}
			}
			return nil
		}
	case cmd.HasSubCommands():
		cmd.Args = refuseUnknown
		cmd.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	for _, c := range cmd.Commands() {
		checkUsage(c)
	}
}

// oneOf refuses flags that contradict each other.
func oneOf(cmd *cobra.Command, pairs ...[2]string) error {
	for _, p := range pairs {
		if cmd.Flags().Changed(p[0]) && cmd.Flags().Changed(p[1]) {
			return &usageError{cmd, fmt.Errorf("--%s and --%s contradict each other", p[0], p[1])}
		}
	}
	return nil
}

// refuseUnknown refuses what is no command of c's.
func refuseUnknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{c, fmt.Errorf("%s has no command %q%s", c.CommandPath(), args[0], hint)}
}

// report tells what went wrong, once.
func report(err error, out io.Writer) {
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, errInterrupted):
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(out, "qwenvld: %v\n\n%s", err, usage.cmd.UsageString())
	default:
		_, _ = fmt.Fprintln(out, "qwenvld: "+strings.ReplaceAll(err.Error(), "\n", "\nqwenvld: "))
	}
}

// exitCode is that of a command that ended with err.
func exitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailure
}
