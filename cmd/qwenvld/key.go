package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/api/access"
)

func keyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key NAME",
		Short: "Make an API key: prints it once, and what to put into the configuration",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, hash := access.NewKey()
			const text = "# give to the client, it is stored nowhere: %s\nkeys:\n  - name: %q\n    sha256: %s\n"
			_, err := fmt.Fprintf(cmd.OutOrStdout(), text, key, args[0], hash)
			return err
		},
	}
}
