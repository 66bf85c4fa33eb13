package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
)

// rules is deploy/prometheus/qwenvld.rules.yml.
type rules struct {
	Groups []struct {
		Rules []struct{ Record, Alert, Expr string }
	}
}

func readRules(t *testing.T) (r rules) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/prometheus/qwenvld.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// dashboardQueries are what the dashboard asks for, by the panel's title.
func dashboardQueries(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/qwenvld.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			out[p.Title] = append(out[p.Title], target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			out["variable "+v.Name] = append(out["variable "+v.Name], v.Definition)
		}
	}
	return out
}

// served are the labels of every metric that is served or recorded by a rule, by its name.
func served(t *testing.T, r rules) map[string][]string {
	t.Helper()
	m, _ := newMetrics(Options{Workers: []Weights{{"m", "instruct", worker{}}}})
	all := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(all)
	close(all)
	out := map[string][]string{"up": nil}
	form := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	for d := range all {
		found := form.FindStringSubmatch(d.String())
		labels := strings.Split(found[2], ",")
		out[found[1]] = labels
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			out[found[1]+part] = append([]string{"le"}, labels...)
		}
	}
	families, err := m.registry.Gather() // collectors of Go tell names only so
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if _, known := out[f.GetName()]; !known {
			out[f.GetName()] = nil
		}
	}
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			if rule.Record != "" {
				out[rule.Record] = []string{"model", "variant"}
			}
		}
	}
	return out
}

var (
	selector = regexp.MustCompile(`\b((?:qwenvld[_:]|go_|process_)[a-z0-9_:]*|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// mistakes says which metrics and labels of a query there are not.
func mistakes(query string, known map[string][]string) (out []string) {
	everywhere := []string{"job", "instance"}
	labels := slices.Clone(everywhere)
	found := selector.FindAllStringSubmatch(query, -1)
	if found == nil {
		return []string{"asks for nothing"}
	}
	for _, s := range found {
		own, ok := known[s[1]]
		if !ok {
			out = append(out, "there is no "+s[1])
		}
		labels = append(labels, own...)
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if !slices.Contains(own, m[1]) && !slices.Contains(everywhere, m[1]) {
				out = append(out, s[1]+" has no label "+m[1])
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(g[1], ",") {
			if label = strings.TrimSpace(label); !slices.Contains(labels, label) {
				out = append(out, "nothing has a label "+label)
			}
		}
	}
	return out
}

func TestTheDashboardAndTheRulesAskForWhatThereIs(t *testing.T) {
	r := readRules(t)
	known := served(t, r)
	shown := ""
	for title, queries := range dashboardQueries(t) {
		for _, q := range queries {
			shown += q + "\n"
			for _, m := range mistakes(q, known) {
				t.Errorf("panel %s: %s: %s", title, q, m)
			}
		}
	}
	compares := regexp.MustCompile(`^[^<>=]*(?:=~"[^"]*"[^<>=]*)* (?:==|>) [0-9.]+$`)
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			for _, m := range mistakes(rule.Expr, known) {
				t.Errorf("rule %s%s: %s", rule.Record, rule.Alert, m)
			}
			shown += rule.Expr
			if rule.Alert != "" && !compares.MatchString(rule.Expr) {
				t.Errorf("alert %s compares no one value with a number: %s", rule.Alert, rule.Expr)
			}
		}
	}
	m, _ := newMetrics(Options{})
	for _, line := range described(t, m) {
		if name, _, _ := strings.Cut(line, ":"); !strings.Contains(shown, name) {
			t.Errorf("nothing shows %s", name)
		}
	}
}

// TestWhatARequestWaitsForIsMeasured names what dashboards of servers of this kind are expected to show.
func TestWhatARequestWaitsForIsMeasured(t *testing.T) {
	known := served(t, rules{})
	for what, metric := range map[string]string{
		"waiting for a place": "queue_wait_seconds_bucket", "waiting for weights": "weights_wait_seconds_bucket",
		"waiting in the worker": "worker_queue_wait_seconds_bucket", "fetching and decoding": "media_duration_seconds_bucket",
		"encoding": "image_encode_seconds_bucket", "the prompt": "prefill_seconds_bucket", "the first token": "time_to_first_token_seconds_bucket",
		"the first answer token": "time_to_answer_seconds_bucket", "between tokens": "time_between_tokens_seconds_bucket",
		"end to end": "generation_duration_seconds_bucket", "tokens of prompts": "prompt_tokens_total", "tokens of answers": "completion_tokens_total",
		"hits of the cache": "cached_prompt_tokens_total", "cells": "kv_cells", "restarts": "worker_restarts_total", "memory": "worker_resident_bytes",
		"a pool's queue": "queued_requests", "a pool's work": "running_requests", "a pool's cache": "kv_cache_usage_ratio",
	} {
		if _, ok := known[prefix+metric]; !ok {
			t.Errorf("%s: there is no %s", what, metric)
		}
	}
	for metric, label := range map[string]string{"prompt_tokens_total": "kind", "completion_tokens_total": "kind", "kv_cells": "state", "media_duration_seconds": "step"} {
		if !slices.Contains(known[prefix+metric], label) {
			t.Errorf("%s is not told apart by %s", metric, label)
		}
	}
}

func TestMistakesInQueriesAreFound(t *testing.T) {
	known := map[string][]string{"qwenvld_a_total": {"code"}, "qwenvld_a_total_bucket": {"le"}}
	for query, want := range map[string]int{
		`sum by (code) (rate(qwenvld_a_total{job=~"$job",code!="x"}[5m]))`: 0,
		`rate(qwenvld_b_total[5m])`:                                        1,
		`rate(qwenvld_a_total{zebra="x"}[5m])`:                             1,
		`sum by (le, zebra) (qwenvld_a_total_bucket)`:                      1,
		`sum(1)`: 1,
	} {
		if got := mistakes(query, known); len(got) != want {
			t.Errorf("%s: %q", query, got)
		}
	}
}
