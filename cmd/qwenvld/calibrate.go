package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/curve"
	"github.com/qwenvld/qwenvld/router/probe"
	"github.com/qwenvld/qwenvld/router/train"
)

// keyVariable is the environment's variable for the daemon's API key: on a command line others could read it.
const keyVariable = "QWENVLD_API_KEY"

// calibration are the options of `router calibrate`.
type calibration struct {
	out, from string
	n         int
	probe     probe.Options
	picture   string
	cost      string
}

func routerCalibrateCommand(e *environment) *cobra.Command {
	c := calibration{}
	cmd := &cobra.Command{
		Use:   "calibrate FILE...",
		Short: "Ask one's own pair, and fit the weights and the price to its answers",
		Long: `Fit the weights and the price to measured answers of one's own pair, and show what quality costs.

FILE holds prompts or outcomes, one JSON object a line.

Prompts: {"text": ..., "images": [...], "answer": ...}, pictures as paths, URLs or data URIs, or a logged chat request
{"messages": [...], ...}, to which an answer may be added. --n of them are put to both variants of a running daemon. Where there is an
answer, both are compared with it; elsewhere instruct's answer scores by its agreement with thinking's, and prompts whose answers
cannot be compared are left out. Outcomes go to --outcomes as they come; after a stop the same command goes on.

Outcomes: the prompts with "weak" and "strong", the scores from 0 to 1 of the direct and of the thinking answer, as --outcomes and
tools/demopair/routed.py --outcomes have them. Nobody is asked.`,
		Example: "  qwenvld router calibrate prompts.jsonl --n 500 -o router.weights --curve curve.svg",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.cost != "tokens" && c.cost != "seconds" {
				return &usageError{cmd, fmt.Errorf("--cost must be tokens or seconds, not %q", c.cost)}
			}
			c.probe.Key = cmp.Or(c.probe.Key, e.variable(keyVariable))
			return c.run(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&c.out, "out", "o", "router.weights", "file of weights to write")
	f.StringVar(&c.from, "weights", "", "weights to begin with instead of the shipped ones")
	f.IntVar(&c.n, "n", 500, "number of prompts to ask")
	f.StringVar(&c.probe.URL, "url", "http://127.0.0.1:8080/v1", "the daemon's API")
	f.StringVar(&c.probe.Key, "key", "", "API key; better in the environment, as "+keyVariable)
	f.StringVar(&c.probe.Model, "model", "qwen3-vl", "name of the routed model; MODEL-instruct and MODEL-thinking are asked")
	f.StringVar(&c.probe.Outcomes, "outcomes", "outcomes.jsonl", "file that outcomes are appended to, and that says what was asked before")
	f.IntVar(&c.probe.Concurrency, "concurrency", 4, "prompts asked at a time")
	f.DurationVar(&c.probe.Timeout, "timeout", 15*time.Minute, "longest time of a request")
	f.IntVar(&c.probe.MaxTokens, "max-tokens", 0, "max_tokens of requests that have none; 0 leaves it to the daemon")
	f.StringVar(&c.picture, "curve", "", "SVG picture of quality and cost to write")
	f.StringVar(&c.cost, "cost", "tokens", "what the picture's cost is: tokens or seconds")
	return cmd
}

func (c *calibration) run(ctx context.Context, args []string, out, notes io.Writer) error {
	weights := config.Default().Router
	weights.Weights = c.from
	_, m, err := newRouter(&weights, nil)
	if err != nil {
		return err
	}
	outcomes, err := c.outcomes(ctx, args, notes)
	if err != nil {
		return err
	}
	set, err := train.Load(outcomes...)
	if err != nil {
		return err
	}
	a, err := train.Adapt(m, set.Examples, 1)
	if err != nil {
		return err
	}
	if err := writeWeights(c.out, a.Model); err != nil {
		return err
	}
	if c.picture != "" {
		if err := c.draw(a); err != nil {
			return err
		}
	}
	if err := train.ReportCosts(out, a); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%s: version %s, fitted to %d outcomes; at quality 5 it thinks about %.0f%% and scores %.3f\n",
		c.out, a.Model.Version, a.Outcomes, 100*a.Qualities[router.DefaultQuality].Share, a.Qualities[router.DefaultQuality].Score)
	return err
}

// outcomes has prompts asked, and returns the files of outcomes.
func (c *calibration) outcomes(ctx context.Context, args []string, notes io.Writer) ([]string, error) {
	files, err := train.Files(args...)
	if err != nil {
		return nil, err
	}
	var outcomes, prompts []string
	for _, file := range files {
		measured, err := probe.IsOutcomes(file)
		if err != nil {
			return nil, err
		}
		if measured {
			outcomes = append(outcomes, file)
		} else {
			prompts = append(prompts, file)
		}
	}
	if len(prompts) == 0 {
		return outcomes, nil
	}
	found, err := probe.Load(prompts...)
	if err != nil {
		return nil, err
	}
	sample := probe.Sample(found, c.n)
	const steps = 20
	c.probe.Progress = func(s probe.Summary) {
		if done := s.Known + s.Asked + s.Refused; s.Known == 0 && done == 1 || done*steps/s.Total > (done-1)*steps/s.Total {
			_, _ = fmt.Fprintf(notes, "%d of %d prompts, %d compared\n", done, s.Total, s.Scored)
		}
	}
	s, err := probe.Run(ctx, sample, c.probe)
	_, _ = fmt.Fprintf(notes, "%d prompts: %d known from before, %d asked now; %d compared, %d with answers that cannot be, %d refused\n",
		s.Total, s.Known, s.Asked, s.Scored, s.Open, s.Refused)
	if s.Last != nil {
		_, _ = fmt.Fprintf(notes, "the last refusal: %v\n", s.Last)
	}
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("stopped")
		}
		return nil, fmt.Errorf("%w; what was answered is in %s, and the same command goes on", err, c.probe.Outcomes)
	}
	return append(outcomes, c.probe.Outcomes), nil
}

// draw writes the picture.
func (c *calibration) draw(a *train.Adapted) error {
	label, costOf := "median seconds an answer", func(cost *train.Cost) float64 { return cost.Seconds }
	if c.cost == "tokens" {
		label, costOf = "completion tokens an answer", func(cost *train.Cost) float64 { return cost.Tokens }
	}
	if costOf(&a.Always) == 0 { // outcomes that do not say
		label, costOf = "share thought about", func(cost *train.Cost) float64 { return cost.Share }
	}
	point := func(name string, cost *train.Cost) curve.Point {
		return curve.Point{Name: name, X: costOf(cost), Y: cost.Score}
	}
	p := &curve.Plot{
		Title:  fmt.Sprintf("What quality costs, %d prompts", a.Outcomes),
		XLabel: label, YLabel: "mean score of the answers", LineName: "routed at quality 0 to 10, 5 circled", Chosen: router.DefaultQuality,
		From: point("always instruct", &a.Direct), To: point("always thinking", &a.Always), Best: point("oracle", &a.Oracle),
	}
	for q := range a.Qualities {
		p.Line = append(p.Line, point(strconv.Itoa(q), &a.Qualities[q]))
	}
	var svg bytes.Buffer
	if err := curve.Draw(&svg, p); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Clean(c.picture), svg.Bytes(), 0o644); err != nil { //nolint:gosec // a picture is no secret
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}
