package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/router/train"
)

func routerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "router",
		Short: "Train and measure the weights that decide between instruct and thinking",
	}
	cmd.AddCommand(routerTrainCommand(), routerEvalCommand(), routerCalibrateCommand())
	return cmd
}

func routerTrainCommand() *cobra.Command {
	var out, note string
	cmd := &cobra.Command{
		Use:   "train DATA...",
		Short: "Fit weights to JSONL files or folders of them; the same data give the same weights",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := train.Load(args...)
			if err != nil {
				return err
			}
			examples := train.Without(set.Examples, train.HeldBack())
			o := train.DefaultOptions()
			m, err := train.Fit(set, examples, train.LeaveSourceOut(examples, &o), &o, note)
			if err != nil {
				return err
			}
			file, err := m.MarshalBinary()
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, file, 0o644); err != nil { //nolint:gosec // weights are no secret
				return fmt.Errorf("write the weights: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: version %s, %d examples\n", out, m.Version, len(examples))
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "router.weights", "file to write")
	cmd.Flags().StringVar(&note, "note", "", "words about the data, kept in the file")
	return cmd
}

func routerEvalCommand() *cobra.Command {
	var outcomes, marks bool
	var seed uint64
	cmd := &cobra.Command{
		Use:   "eval DATA...",
		Short: "Measure: train on all sources but some, judge those, as Markdown",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := train.Load(args...)
			if err != nil {
				return err
			}
			if marks {
				set.Mark()
			}
			o := train.DefaultOptions()
			if seed > 0 {
				o.Seed = seed
			}
			v := train.LeaveSourceOut(set.Examples, &o)
			w := cmd.OutOrStdout()
			if err := train.Report(w, v); err != nil || marks {
				return err
			}
			m, err := train.Fit(set, train.Without(set.Examples, train.HeldBack()), v, &o, "")
			if err != nil {
				return err
			}
			flips := train.Flips(m, set.Examples)
			names := make([]string, 0, len(flips))
			for n := range flips {
				names = append(names, n)
			}
			slices.Sort(names)
			_, _ = fmt.Fprint(w, "\n| harmless change | decisions turned |\n|---|---|\n")
			for _, n := range names {
				_, _ = fmt.Fprintf(w, "| %s | %.1f%% |\n", n, 100*flips[n])
			}
			if !outcomes {
				return nil
			}
			_, _ = fmt.Fprintln(w)
			return train.ReportOutcomes(w, set.Examples, &o)
		},
	}
	cmd.Flags().BoolVar(&outcomes, "outcomes", false, "also cross-validate on the measured outcomes among the data")
	cmd.Flags().BoolVar(&marks, "marks", false, "let the weights also see the data's marks, which no request has; sources left out only")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "another order of training, to see how much of a difference is chance")
	return cmd
}

func routerCalibrateCommand() *cobra.Command {
	var out, from string
	cmd := &cobra.Command{
		Use:   "calibrate OUTCOMES...",
		Short: "Fit the weights and the price to measured answers of one's own pair",
		Long: `Fit the weights and the price to measured answers of one's own pair: JSONL with text, image, lang, source, kind, and weak
and strong, the scores from 0 to 1 of the direct and of the thinking answer (tokens, of thinking, if known).
tools/demopair/routed.py --outcomes writes such a file.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := config.Default().Router
			c.Weights = from
			_, m, err := newRouter(&c, nil)
			if err != nil {
				return err
			}
			set, err := train.Load(args...)
			if err != nil {
				return err
			}
			a, err := train.Adapt(m, set.Examples, 1)
			if err != nil {
				return err
			}
			file, err := a.Model.MarshalBinary()
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, file, 0o644); err != nil { //nolint:gosec // weights are no secret
				return fmt.Errorf("write the weights: %w", err)
			}
			w := cmd.OutOrStdout()
			_, _ = fmt.Fprintf(w, "always direct %.3f, always thinking %.3f\n\n| thought about | score |\n|---|---|\n", a.Direct, a.Always)
			for i, p := range a.Curve {
				if i%max(len(a.Curve)/20, 1) == 0 {
					_, _ = fmt.Fprintf(w, "| %.0f%% | %.3f |\n", 100*p.Share, p.Score)
				}
			}
			_, err = fmt.Fprintf(w, "\n%s: version %s thinks about %.0f%% and scores %.3f (on outcomes not trained on)\n",
				out, a.Model.Version, 100*a.Chosen.Share, a.Chosen.Score)
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "router.weights", "file to write")
	cmd.Flags().StringVar(&from, "weights", "", "weights to begin with instead of the shipped ones")
	return cmd
}
