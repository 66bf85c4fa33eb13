package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/pull"
)

func listCommand(e *environment) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the models on this machine, whoever fetched them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPuller(e, nil, func(p *pull.Puller) error {
				kept, err := p.List()
				if err != nil {
					return err
				}
				rows := listed(kept)
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), rows)
				}
				return table(cmd.OutOrStdout(), rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// listedModel is a row of the list.
type listedModel struct {
	Name     string        `json:"name"`
	Variants []hub.Variant `json:"variants"`
	Bytes    int64         `json:"bytes"`
	// Files are where the models are, and Unfinished says that some are not all there.
	Files      []string `json:"files"`
	Unfinished bool     `json:"unfinished,omitempty"`
}

// listed joins the variants of a preset, in the order of names.
func listed(kept *pull.Kept) []*listedModel {
	rows := map[string]*listedModel{}
	row := func(name string) *listedModel {
		if rows[name] == nil {
			rows[name] = &listedModel{Name: name, Variants: []hub.Variant{}, Files: []string{}}
		}
		return rows[name]
	}
	for i := range kept.Parts {
		p := &kept.Parts[i]
		r := row(displayName(p))
		if !slices.Contains(r.Variants, p.Variant) {
			r.Variants = append(r.Variants, p.Variant)
		}
		r.Files = append(r.Files, p.ModelPath())
		for _, f := range p.Files() {
			r.Bytes += f.Size
		}
	}
	for s, n := range kept.Unfinished {
		r := row(s.String() + " (unfinished)")
		r.Unfinished = true
		r.Bytes += n
	}
	out := slices.AppendSeq([]*listedModel{}, maps.Values(rows))
	for _, r := range out {
		if preset, quant, ok := strings.Cut(r.Name, "@"); ok && len(r.Variants) == 1 && strings.HasPrefix(r.Name, "qwen3-vl:") {
			r.Name = preset + "-" + string(r.Variants[0]) + "@" + quant
		}
	}
	slices.SortFunc(out, func(a, b *listedModel) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// displayName is the shortest name by which p can be served.
func displayName(p *pull.Part) string {
	preset, variant := hub.PresetOf(p.Source.Repo)
	if p.Source.Host == hub.HuggingFace && variant == p.Variant && !strings.Contains(p.Source.String(), "@") && p.Quant != "" {
		return preset + "@" + strings.ToLower(p.Quant)
	}
	return p.Name()
}

func table(out io.Writer, rows []*listedModel) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "no models are on this machine: qwenvld pull qwen3-vl:2b fetches one")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVARIANTS\tSIZE")
	for _, r := range rows {
		var variants []string
		for _, v := range r.Variants {
			variants = append(variants, string(v))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, strings.Join(variants, ", "), sizeText(r.Bytes))
	}
	return w.Flush()
}

func rmCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "rm MODEL",
		Short: "Remove a model's files from this machine",
		Long: `Remove a model's files from the cache, and what broken off downloads of its repositories have left. The cache is that of
Hugging Face's tools: what they fetched of the same model goes too. A projector stays while another quantisation needs it.

` + modelNames,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reference, err := hub.Parse(args[0])
			if err != nil {
				return &usageError{cmd, err}
			}
			return withPuller(e, nil, func(p *pull.Puller) error {
				freed, err := p.Remove(reference)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s freed\n", sizeText(freed))
				return err
			})
		},
	}
}

// writeJSON writes v for programs, and for people who look at what those read.
func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
