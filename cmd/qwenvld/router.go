package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/router/difficulty"
	"github.com/qwenvld/qwenvld/router/train"
)

func routerCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "router",
		Short: "Train and measure the weights that decide between instruct and thinking",
	}
	cmd.AddCommand(routerTrainCommand(), routerEvalCommand(), routerCalibrateCommand(e))
	return cmd
}

func routerTrainCommand() *cobra.Command {
	var out, note, report string
	cmd := &cobra.Command{
		Use:   "train DATA...",
		Short: "Fit weights to JSONL files or folders of them; the same data give the same weights",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := train.Load(args...)
			if err != nil {
				return err
			}
			o := train.DefaultOptions()
			v := train.LeaveSourceOut(set.Examples, &o)
			examples := train.Without(set.Examples, train.HeldBack())
			m, err := train.Fit(set, examples, v, &o, note)
			if err != nil {
				return err
			}
			if err := writeWeights(out, m); err != nil {
				return err
			}
			if report != "" {
				if err := writeReport(report, set, v, m, &o); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: version %s, %d examples\n", out, m.Version, len(examples))
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "router.weights", "file to write")
	cmd.Flags().StringVar(&note, "note", "", "words about the data, kept in the file")
	cmd.Flags().StringVar(&report, "report", "", "file of the measures to write, as eval prints them")
	return cmd
}

// writeReport writes the measures of weights and of the validation that they were calibrated by.
func writeReport(name string, set *train.Set, v *train.Validation, m *difficulty.Model, o *train.Options) error {
	var b bytes.Buffer
	if err := train.Report(&b, v, train.LeaveLanguageOut(set.Examples, o, v)); err != nil {
		return err
	}
	if err := train.ReportFlips(&b, m, set.Examples); err != nil {
		return err
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil { //nolint:gosec // measures are no secret
		return fmt.Errorf("write the measures: %w", err)
	}
	return nil
}

func writeWeights(name string, m *difficulty.Model) error {
	file, err := m.MarshalBinary()
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, file, 0o644); err != nil { //nolint:gosec // weights are no secret
		return fmt.Errorf("write the weights: %w", err)
	}
	return nil
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
			if err := train.Report(w, v, train.LeaveLanguageOut(set.Examples, &o, v)); err != nil || marks {
				return err
			}
			m, err := train.Fit(set, train.Without(set.Examples, train.HeldBack()), v, &o, "")
			if err != nil {
				return err
			}
			if err := train.ReportFlips(w, m, set.Examples); err != nil {
				return err
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
