package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
)

// Table writes the scenario as a heading, a table in Markdown, and its notes.
func (r *Report) Table(w io.Writer, s *Scenario) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### %s: %s\n\n", s.Name, s.About)
	head := []string{"median (least to most)"}
	for _, t := range r.Targets {
		head = append(head, t.Name)
	}
	for _, t := range r.others() {
		head = append(head, t.Name+" / "+r.Base)
	}
	if len(s.Goals) > 0 {
		head = append(head, "goal")
	}
	rows := [][]string{head}
	for _, name := range s.Show {
		rows = append(rows, r.row(s, name, len(s.Goals) > 0))
	}
	writeRows(&out, rows)
	for _, note := range s.Notes {
		fmt.Fprintf(&out, "\n%s.\n", note)
	}
	out.WriteByte('\n')
	_, err := io.WriteString(w, out.String())
	return err
}

// others are the servers that are compared with the base.
func (r *Report) others() []Target {
	var out []Target
	for _, t := range r.Targets {
		if t.Name != r.Base {
			out = append(out, t)
		}
	}
	return out
}

func (r *Report) row(s *Scenario, name string, withGoal bool) []string {
	row := []string{label(name)}
	for _, t := range r.Targets {
		cell := ""
		if spread, ok := s.Summary[t.Name][name]; ok {
			cell = spreadText(spread, func(v float64) string { return Quantity(name, v) })
		}
		row = append(row, cell)
	}
	for _, t := range r.others() {
		cell := ""
		if ratio, ok := s.Ratios[t.Name][name]; ok {
			cell = spreadText(ratio, func(v float64) string { return fmt.Sprintf("%.2f", v) })
		}
		row = append(row, cell)
	}
	if !withGoal {
		return row
	}
	goal := ""
	for _, m := range s.Goals {
		if m.Figure == name {
			goal = m.String() + " met"
			if !m.Met {
				goal = m.String() + " missed"
			}
		}
	}
	return append(row, goal)
}

func spreadText(s measure.Spread, text func(float64) string) string {
	if text(s.Least) == text(s.Most) {
		return text(s.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", text(s.Median), text(s.Least), text(s.Most))
}

// words are the figures' names for readers.
var words = map[string]string{
	measure.FirstToken: "first token", measure.LastFirstToken: "last first token", measure.FirstAnswer: "first token of the answer",
	measure.Whole: "whole answer", measure.GapMedian: "gap, median", measure.GapHigh: "gap, 99%", measure.GapLongest: "gap, longest",
	measure.PromptRate: "prompt, tokens/s", measure.DecodeRate: "decoding, tokens/s", measure.PromptTokens: "tokens of the prompt",
	measure.CachedTokens: "of them cached", measure.AnswerTokens: "tokens of answers", measure.Failures: "failures",
	measure.EndedEarly: "ended early", measure.Total: "all together", measure.TokenRate: "all together, tokens/s",
	measure.Good: "answers within the objective", measure.GoodRate: "answers within the objective a second",
	measure.Resident: "memory", measure.LiveCells: "cells still taken", measure.CellsFreed: "until all cells were free",
}

func label(name string) string {
	role, kind, ok := strings.Cut(name, ".")
	if !ok {
		return words[name]
	}
	return role + ": " + words[kind]
}

// Quantity is a figure's value with its unit.
func Quantity(name string, v float64) string {
	_, kind, ok := strings.Cut(name, ".")
	if !ok {
		kind = name
	}
	switch kind {
	case measure.FirstToken, measure.LastFirstToken, measure.FirstAnswer, measure.Whole, measure.GapMedian, measure.GapHigh,
		measure.GapLongest, measure.Total, measure.CellsFreed:
		return duration(v)
	case measure.PromptRate, measure.DecodeRate, measure.TokenRate:
		return digits(v)
	case measure.GoodRate:
		return fmt.Sprintf("%.2f", v)
	case measure.Good:
		return fmt.Sprintf("%.0f%%", 100*v)
	case measure.Resident:
		const megabyte = 1e6
		return fmt.Sprintf("%.0f MB", v/megabyte)
	}
	return fmt.Sprintf("%.0f", v)
}

func duration(seconds float64) string {
	if seconds < 1 {
		return fmt.Sprintf("%.0f ms", 1000*seconds)
	}
	return digits(seconds) + " s"
}

// digits are three of them, or all before the point.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// writeRows writes a table in Markdown whose columns stand below each other.
func writeRows(out *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(out, "| %-*s ", widths[i], cell)
		}
		out.WriteString("|\n")
		if n > 0 {
			continue
		}
		for _, width := range widths {
			out.WriteString("| " + strings.Repeat("-", width) + " ")
		}
		out.WriteString("|\n")
	}
}
