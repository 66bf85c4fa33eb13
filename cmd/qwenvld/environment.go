package main

import (
	"io"
	"strings"
)

// environment is what commands have of the process that they run in. Nothing else in this package looks at the
// arguments, the streams or the variables of the process, so that tests can run commands in an environment of their
// own.
type environment struct {
	// args are the arguments, the name by which the program was called first.
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	// variables are those of the environment, each NAME=VALUE.
	variables []string
	// tempDir is where daemons leave a note for other commands.
	tempDir string
	// cacheDir is where files go that can be made anew.
	cacheDir func() (string, error)
	// executable is the path of this program, for the processes that a daemon starts.
	executable func() (string, error)
}

// variable is the value of a variable, "" where it is not set. Of several values the last counts, as it does for a
// process.
func (e *environment) variable(name string) string {
	value := ""
	for _, v := range e.variables {
		if n, text, ok := strings.Cut(v, "="); ok && n == name {
			value = text
		}
	}
	return value
}
