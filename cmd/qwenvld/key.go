package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/config"
)

func keyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key NAME",
		Short: "Make an API key: shows it once, and prints what to put into the configuration",
		Long: `Make an API key. The key itself goes to the standard error, to be given to the client, and is stored nowhere; the entry of
the configuration, which holds its hash alone, goes to the standard output.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, keyHash := access.NewKey()
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "keys:\n  - name: %q\n    sha256: %s\n", args[0], keyHash); err != nil {
				return err
			}
			const text = "# The key, for the client alone; it is stored nowhere:\nexport %s=%s\n"
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), text, config.VariableKey, key)
			return err
		},
	}
}
