package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/internal/demopair"
)

// greet tells a newcomer what to do, once the weights are loaded.
func (d *daemon) greet(ctx context.Context, out io.Writer) {
	if d.models.keeper.Settle(ctx) == nil && d.models.serves() {
		_, _ = io.WriteString(out, d.banner(d.environment.args[0]))
	}
}

// banner is at most five lines; program is the name by which this binary was called.
func (d *daemon) banner(program string) string {
	var b strings.Builder
	keys := len(d.config.Keys) > 0
	fmt.Fprintf(&b, "%s is ready at %s%s, described at /docs\n", strings.Join(d.models.ids(), " and "), d.url, d.page())
	if keys {
		fmt.Fprintf(&b, "keys   export %s=YOUR_KEY (%s key NAME makes one)\n", config.VariableKey, program)
	}
	question := "Hello, who are you?"
	fmt.Fprintf(&b, "ask    %s ask --url %s %q\n", program, d.url, question)
	fmt.Fprintf(&b, "or     %s -d '{\"model\": %q, \"messages\": [{\"role\": \"user\", \"content\": %q}]}'\n",
		post(d.url, keys), d.models.ids()[0], question)
	if len(d.config.Models) == 0 {
		fmt.Fprintf(&b, "more   %s examples: what the built-in pair knows, simple drawn scenes of shapes and numbers only\n", program)
	}
	return b.String()
}

// page says that a browser shows the playground, where it does.
func (d *daemon) page() string {
	if d.config.Playground == "off" || strings.HasPrefix(d.url, "unix:") {
		return ""
	}
	return " (open it in a browser)"
}

// post is the beginning of a curl command that posts a chat completion to the daemon at address.
func post(address string, keys bool) string {
	line := "curl -s "
	if file, ok := strings.CutPrefix(address, "unix:"); ok {
		line, address = line+"--unix-socket "+file+" ", "http://localhost"
	}
	line += address + "/v1/chat/completions"
	if keys {
		line += ` -H "Authorization: Bearer $` + config.VariableKey + `"`
	}
	return line + " -H 'Content-Type: application/json'"
}

func examplesCommand(e *environment) *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "examples",
		Short: "Print a curl command for each thing that the built-in demo pair knows",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, err := findDaemon(e, address)
			if err != nil {
				return err
			}
			text, err := demopair.Tour(post(target.URL, target.Keys))
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	addURLFlag(cmd.Flags(), &address)
	return cmd
}
