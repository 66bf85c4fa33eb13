package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/router"
)

func routeCommand() *cobra.Command {
	var images int
	c := config.Default().Router
	cmd := &cobra.Command{
		Use:   "route TEXT",
		Short: "Say which weights would answer a question, and why",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, weights, err := newRouter(&c, nil)
			if err != nil {
				return err
			}
			d, err := r.Decide(&router.Input{
				Facts:    router.Facts{Instruct: true, Thinking: true},
				Features: router.Features{Text: strings.Join(args, " "), Images: images},
			})
			if err != nil {
				return err
			}
			out, err := json.MarshalIndent(map[string]any{
				"variant": d.Variant, "source": d.Source, "score": d.Score, "threshold": d.Threshold, "kind": d.Kind, "reasons": d.Reasons,
				"thinking_budget": d.ThinkingBudget, "uncertain": d.Uncertain, "version": weights.Version,
			}, "", "  ")
			if err != nil {
				return fmt.Errorf("print the decision: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), string(out))
			return err
		},
	}
	cmd.Flags().IntVar(&images, "images", 0, "number of images that come with the question")
	cmd.Flags().Float64Var(&c.Quality, "quality", c.Quality, "0, never think unasked, to 10, think wherever it does no harm")
	cmd.Flags().StringVar(&c.Weights, "weights", "", "file of weights instead of the shipped ones")
	return cmd
}
