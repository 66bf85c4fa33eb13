package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// runIn runs a command in an environment of its own, and returns its exit code and what it wrote.
func runIn(t *testing.T, stdin string, variables []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, aside bytes.Buffer
	dir := t.TempDir()
	err := run(t.Context(), &environment{
		args: append([]string{"qwenvld"}, args...), stdin: strings.NewReader(stdin), stdout: &out, stderr: &aside, variables: variables,
		tempDir: dir, cacheDir: func() (string, error) { return dir, nil }, executable: func() (string, error) { return "", nil },
	})
	return exitCode(err), out.String(), aside.String()
}

func TestEveryCommandExplainsItselfAndRefusesWhatItDoesNotKnow(t *testing.T) {
	walk(root(&environment{}), func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[1:]
		if code, out, aside := runIn(t, "", nil, append(path, "--help")...); code != 0 || aside != "" || !strings.Contains(out, "Usage:") ||
			!strings.Contains(out, cmd.CommandPath()) || cmd.Short == "" {
			t.Errorf("%s --help: exit code %d, %q, %q", cmd.CommandPath(), code, out, aside)
		}
		code, out, aside := runIn(t, "", nil, append(path, "--nosuch")...)
		if code != exitUsage || out != "" || !strings.HasPrefix(aside, "qwenvld: unknown flag: --nosuch\n") || !strings.Contains(aside, "Usage:") {
			t.Errorf("%s --nosuch: exit code %d, %q, %q", cmd.CommandPath(), code, out, aside)
		}
	})
}

func TestCommandsLookAtTheirEnvironmentAlone(t *testing.T) {
	t.Setenv("QWENVLD_URL", "http://of.the.process")
	t.Setenv("QWENVLD_LISTENN", "sets nothing")
	variables := []string{"QWENVLD_URL=http://first", "QWENVLD_URL=http://of.the.command", "QWENVLD_API_KEY=x"}
	if code, out, _ := runIn(t, "", variables, "examples"); code != 0 || !strings.Contains(out, "curl -s http://of.the.command/v1/") ||
		!strings.Contains(out, "Authorization") {
		t.Errorf("exit code %d, %s", code, out)
	}
	const text = "Which of the three boxes holds more than twice as many as the first?"
	for quality, want := range map[string]string{"0": `"instruct"`, "10": `"thinking"`} {
		code, out, aside := runIn(t, text, []string{"QWENVLD_ROUTER_QUALITY=" + quality}, "route", "-")
		if code != 0 || aside != "" || !strings.Contains(out, `"variant": `+want) {
			t.Errorf("quality %s: exit code %d, %s%s", quality, code, out, aside)
		}
	}
	if code, _, aside := runIn(t, "", []string{"QWENVLD_ROUTER_QUALITY=much"}, "route", "x"); code != exitFailure ||
		!strings.Contains(aside, "environment variable QWENVLD_ROUTER_QUALITY") {
		t.Errorf("exit code %d, %s", code, aside)
	}
}
