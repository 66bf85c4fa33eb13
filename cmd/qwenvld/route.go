package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/router"
)

func routeCommand() *cobra.Command {
	var images int
	var files []string
	c := config.Default()
	cmd := &cobra.Command{
		Use:   "route TEXT",
		Short: "Say which weights would answer a question, and why",
		Long: `Say which weights would answer a question, and why. Of images only the number counts. Files are decoded all the same, within
the daemon's default limits, so that what is counted is an image.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if images < 0 {
				return fmt.Errorf("--images must not be negative, it is %d", images)
			}
			r, weights, err := newRouter(&c.Router, nil)
			if err != nil {
				return err
			}
			for _, file := range files {
				if err := checkImage(cmd.Context(), file, &c.Media); err != nil {
					return err
				}
			}
			d, err := r.Decide(&router.Input{
				Facts:    router.Facts{Instruct: true, Thinking: true},
				Features: router.Features{Text: strings.Join(args, " "), Images: images + len(files)},
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
	cmd.Flags().StringArrayVar(&files, "image", nil, "file of an image that comes with the question; may be given several times")
	cmd.Flags().IntVar(&images, "images", 0, "number of images that come with the question and are not at hand")
	cmd.Flags().Float64Var(&c.Router.Quality, "quality", c.Router.Quality, "0, never think unasked, to 10, think wherever it does no harm")
	cmd.Flags().StringVar(&c.Router.Weights, "weights", "", "file of weights instead of the shipped ones")
	return cmd
}

// checkImage refuses what cannot be decoded as an image within m's limits.
func checkImage(ctx context.Context, name string, m *config.Media) error {
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, m.ImageBytes+1))
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	if int64(len(data)) > m.ImageBytes {
		return fmt.Errorf("image %s: it has more than the %d bytes that are allowed", name, m.ImageBytes)
	}
	if _, err := multimodal.Decode(ctx, data, m.ImagePixels); err != nil {
		return fmt.Errorf("image %s: %w", name, err)
	}
	return nil
}
