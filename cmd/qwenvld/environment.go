package main

import (
	"io"
	"os"
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
	// itself is a path at which this very program is found even when another lies at executable's, as after an upgrade;
	// "" where there is none.
	itself string
}

// running is the path from which a program is started while this process runs: a daemon's children must be of its own
// version, whatever is installed by then.
func (e *environment) running(program string) string {
	if e.itself == "" {
		return program
	}
	if self, err := e.executable(); err != nil || self != program {
		return program
	}
	return e.itself
}

// linuxItself is where Linux shows every process its own program.
const linuxItself = "/proc/self/exe"

// itselfAt is path where it is there, else "".
func itselfAt(path string) string {
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// linuxName is where Linux has the name under which this process is listed.
const linuxName = "/proc/self/comm"

// beNamed has this process listed under the program's name and not under that of the path from which it was started.
// Where that does not work it is only harder to find.
func beNamed() {
	if f, err := os.OpenFile(linuxName, os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString("qwenvld")
		_ = f.Close()
	}
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
