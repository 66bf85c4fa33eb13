package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/device/probe"
	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/engine/selftest"
)

// errSelftest ends a selftest that has told what deviates.
var errSelftest = errors.New("the device does not compute as it must: do not serve with it, and report the lines marked FAIL")

func selftestCommand(e *environment) *cobra.Command {
	setting, asJSON, all := device.Auto, false, false
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Prove that a device computes as it must, against figures in this program",
		Long: `Prove that a device computes Qwen3-VL as transformers does in float32: text, pictures and videos, with weights in several
formats, and rotary positions up to the longest context. Faults made on purpose must show. It takes seconds, and needs no weights.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reports := findDevices(cmd.Context(), e)
			chosen, err := device.Choose(setting, device.Cards(reports))
			if err != nil {
				return &usageError{cmd, err}
			}
			report, err := prove(cmd.Context(), e, reports, chosen)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), report)
			} else {
				err = printSelftest(cmd.OutOrStdout(), report, all)
			}
			if err == nil && !report.Passed {
				err = errSelftest
			}
			return err
		},
	}
	cmd.Flags().StringVar(&setting, "device", setting, "auto, cpu, or the name of a card (`qwenvld devices` lists them)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&all, "all", false, "print every check")
	return cmd
}

// prove has a child test the first of the cards, or the processors where there is none: a driver may end its process.
func prove(ctx context.Context, e *environment, reports []device.Report, cards []device.Device) (*selftest.Report, error) {
	program, err := computes(e)
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	args := []string{"prove"}
	var folders []string
	if len(cards) > 0 {
		folders = device.Folders(reports, cards[:1])
		args = append(args, cards[0].Name)
		args = append(args, folders...)
	}
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // this very program
	cmd.Env = probe.WithLibraries(workerEnvironment(e.variables), folders)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the device ended the test: %w\n%s", err, strings.TrimSpace(said.String()))
	}
	report := &selftest.Report{}
	if err := json.Unmarshal(out, report); err != nil {
		return nil, fmt.Errorf("what the test said cannot be read: %w", err)
	}
	return report, nil
}

// proveCommand tests a device in this process.
func proveCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:    "prove [DEVICE [FOLDER]]",
		Short:  "Test a device for qwenvld selftest, which starts this itself",
		Args:   cobra.MaximumNArgs(2),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o := selftest.Options{Threads: runtime.NumCPU(), Folder: e.tempDir, Logger: slog.New(slog.DiscardHandler)}
			if len(args) > 0 {
				o.Device = args[0]
				if _, err := llama.OpenDevices(args[1:], o.Logger); err != nil {
					return err
				}
			}
			report, err := selftest.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return json.NewEncoder(e.stdout).Encode(report)
		},
	}
}

// printSelftest tells the worst check of each weights and format, or all, and every one that failed.
func printSelftest(out io.Writer, r *selftest.Report, all bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "weights\tformat\tworst deviation\tof\t\twhat\n")
	line := func(c *selftest.Check) {
		verdict, bound := "ok", fmt.Sprintf("at most %.2g", c.Limit)
		if c.Fault {
			bound = fmt.Sprintf("at least %.2g", c.Limit)
		}
		if !c.Passed {
			verdict = "FAIL"
		}
		fmt.Fprintf(w, "%s\t%s\t%.2g\t%s\t%s\t%s\n", c.Weights, c.Format, c.Deviation, bound, verdict,
			strings.TrimRight(c.Name+": "+c.Note, ": "))
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		if all || !c.Passed || c == worst(r.Checks, c) {
			line(c)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	verdict := "passed"
	if !r.Passed {
		verdict = "FAILED"
	}
	_, err := fmt.Fprintf(out, "%s: %s, %d checks in %.1f s (llama.cpp %s)\n", r.Device, verdict, len(r.Checks), r.Seconds, r.Base)
	return err
}

// worst is the check of the same weights and format as c that is closest to its limit, among those of faults or the
// others.
func worst(checks []selftest.Check, c *selftest.Check) *selftest.Check {
	found := c
	margin := func(c *selftest.Check) float64 {
		if c.Fault {
			return c.Limit / c.Deviation
		}
		return c.Deviation / c.Limit
	}
	for i := range checks {
		other := &checks[i]
		if other.Weights == c.Weights && other.Format == c.Format && other.Fault == c.Fault && margin(other) > margin(found) {
			found = other
		}
	}
	return found
}
