package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld"
	"github.com/qwenvld/qwenvld/config"
)

func configCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
	}
	cmd.AddCommand(configCheckCommand(e), configPrintCommand(e), configSchemaCommand(), configExampleCommand())
	return cmd
}

func configCheckCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find what is wrong with the configuration and the files that it names, as serve would, without serving",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, places, err := config.Trace(cmd.Flags(), e.variables)
			if err != nil {
				return err
			}
			if err := checkNamedFiles(e, c); err != nil {
				return err
			}
			what := places.File()
			if what == "" {
				what = "the configuration"
			}
			_, err = fmt.Fprintf(e.stdout, "%s is valid\n", what)
			return err
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

// checkNamedFiles reads what the files that c names say of themselves. Weights that are to be fetched are not.
func checkNamedFiles(e *environment, c *config.Config) error {
	_, certificate := readCertificate(&c.TLS)
	var models []error
	for i := range c.Models {
		if c.Models[i].Pull == "" {
			models = append(models, checkModel(&c.Models[i], fmt.Sprintf("models[%d]", i)))
		}
	}
	_, _, weights := newRouter(&c.Router, nil)
	_, traces := tracerOptions(e, &c.Tracing)
	return errors.Join(certificate, errors.Join(models...), weights, traces)
}

func configPrintCommand(e *environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Show the whole configuration that holds, and where each value that is no default comes from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, places, err := config.Trace(cmd.Flags(), e.variables)
			if err != nil {
				return err
			}
			if !asJSON {
				return config.Print(e.stdout, c, places)
			}
			tree, err := config.Tree(c)
			if err != nil {
				return err
			}
			out := json.NewEncoder(e.stdout)
			out.SetIndent("", "  ")
			out.SetEscapeHTML(false)
			return out.Encode(tree)
		},
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of the configuration, with which editors check and complete the file",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := config.Schema(qwenvld.ConfigExample)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}

func configExampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "example",
		Short: "Print a configuration file with every key, its meaning and its default",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(qwenvld.ConfigExample)
			return err
		},
	}
}
