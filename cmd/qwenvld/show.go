package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/footprint"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/pull"
	"github.com/qwenvld/qwenvld/internal/memlimit"
)

func showCommand(e *environment) *cobra.Command {
	var engine config.Engine
	asJSON, layers := false, 0
	cmd := &cobra.Command{
		Use:   "show MODEL",
		Short: "Show a model's files and the memory that serving it will take, before anything is loaded",
		Long: `Show a model's files and the memory that serving it will take. Of files that are not on this machine only the headers are
fetched.

` + modelNames,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine.GPULayers = config.Layers(strconv.Itoa(layers))
			reference, err := hub.Parse(args[0])
			if err != nil {
				return &usageError{cmd, err}
			}
			return withPuller(e, nil, func(p *pull.Puller) error {
				shown, err := describeModel(cmd.Context(), p, reference, &engine)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), shown)
				}
				return shown.print(cmd.OutOrStdout(), availableMemory(os.DirFS("/")))
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.IntVar(&engine.ContextSize, "context-size", 0, "tokens of one request (default as served: trained, at most 16384)")
	flags.IntVar(&engine.CacheTokens, "cache-tokens", 0, "KV cache that all requests share (default twice the context)")
	flags.StringVar(&engine.CacheType, "cache-type", "", "f16, q8_0 or f32 (default f16)")
	flags.IntVar(&layers, "gpu-layers", 0, "layers on graphics cards, negative for all")
	return cmd
}

// shownModel is what is told of a model.
type shownModel struct {
	Name     string         `json:"name"`
	Variants []shownVariant `json:"variants"`
	// Settings that the memory follows from.
	ContextSize int    `json:"context_size"`
	CacheTokens int    `json:"cache_tokens"`
	CacheType   string `json:"cache_type"`
	GPULayers   int    `json:"gpu_layers"`
}

// shownVariant is what is told of one of its variants.
type shownVariant struct {
	Variant  hub.Variant        `json:"variant"`
	Source   string             `json:"source"`
	Commit   string             `json:"commit,omitempty"`
	Files    []shownFile        `json:"files"`
	Trained  int                `json:"trained_context"`
	Estimate footprint.Estimate `json:"memory"`
}

// shownFile is a file of a variant.
type shownFile struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
	AtHand bool   `json:"at_hand"`
}

// describeModel looks at what is at hand, else at what the hub has.
func describeModel(ctx context.Context, p *pull.Puller, r hub.Reference, engine *config.Engine) (*shownModel, error) {
	parts, err := p.AtHand(r)
	if err != nil {
		if parts, err = p.Ask(ctx, r); err != nil {
			return nil, err
		}
	}
	shown := &shownModel{Name: r.Text}
	for i := range parts {
		if err := shown.add(ctx, p, &parts[i], engine); err != nil {
			return nil, fmt.Errorf("%s: %w", parts[i].Name(), explainForeign(err))
		}
	}
	return shown, nil
}

func (s *shownModel) add(ctx context.Context, p *pull.Puller, part *pull.Part, engine *config.Engine) error {
	v := shownVariant{Variant: part.Variant, Source: part.Name(), Commit: part.Commit}
	missing := map[string]bool{}
	for _, f := range part.Missing() {
		missing[f.Path] = true
	}
	for _, f := range part.Files() {
		v.Files = append(v.Files, shownFile{Path: f.Path, Bytes: f.Size, SHA256: f.SHA256, AtHand: !missing[f.Path]})
	}
	model, err := header(ctx, p, part, part.Model)
	if err != nil {
		return err
	}
	var projector *gguf.File
	if part.Projector != nil {
		if projector, err = header(ctx, p, part, []hub.File{*part.Projector}); err != nil {
			return err
		}
	}
	v.Trained = model.TrainedContext()
	c, err := workerConfig(engine, config.Weights{}).WithDefaults(v.Trained)
	if err != nil {
		return err
	}
	size := sizes(&c)
	size.GPULayers = engine.GPULayers.Number()
	size.TowerOnGPU = size.GPULayers != 0
	v.Estimate, err = footprint.Of(model, projector, size)
	s.ContextSize, s.CacheTokens, s.CacheType, s.GPULayers = c.ContextSize, c.CacheTokens, c.CacheType, size.GPULayers
	if s.CacheType == "" {
		s.CacheType = "f16"
	}
	s.Variants = append(s.Variants, v)
	return err
}

// header reads what comes before the weights in a file, or in all parts of one.
func header(ctx context.Context, p *pull.Puller, part *pull.Part, files []hub.File) (*gguf.File, error) {
	var whole *gguf.File
	for _, f := range files {
		body, err := p.Open(ctx, part, f)
		if err != nil {
			return nil, err
		}
		one, err := gguf.Parse(body, f.Size)
		_ = body.Close()
		if err == nil && whole == nil {
			err = one.CheckKind()
			whole = one
		} else if err == nil {
			err = whole.Join(one)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return whole, nil
}

func (s *shownModel) print(out io.Writer, available int64) error {
	var total footprint.Estimate
	for _, v := range s.Variants {
		fmt.Fprintf(out, "%s  %s", v.Variant, v.Source)
		if len(v.Commit) >= 8 {
			fmt.Fprintf(out, ", commit %s", v.Commit[:8])
		}
		fmt.Fprintf(out, ", trained for %d tokens\n", v.Trained)
		for _, f := range v.Files {
			where := "here"
			if !f.AtHand {
				where = "to be fetched"
			}
			fmt.Fprintf(out, "  %s  %s, %s\n", f.Path, sizeText(f.Bytes), where)
		}
	}
	fmt.Fprintf(out, "\nMemory with context_size %d, cache_tokens %d, cache_type %s, gpu_layers %d:\n",
		s.ContextSize, s.CacheTokens, s.CacheType, s.GPULayers)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tweights\tcache\ttower\tbuffers\ttotal\t")
	row := func(name string, n footprint.Need) {
		if n != (footprint.Need{}) {
			fmt.Fprintln(w, strings.Join([]string{
				name, sizeText(n.Weights), sizeText(n.Cache), sizeText(n.Tower), sizeText(n.Buffers), sizeText(n.Total()), "",
			}, "\t"))
		}
	}
	for _, v := range s.Variants {
		row(string(v.Variant)+", processor", v.Estimate.Host)
		row(string(v.Variant)+", GPU", v.Estimate.GPU)
		total.Host, total.GPU = sum(total.Host, v.Estimate.Host), sum(total.GPU, v.Estimate.GPU)
		total.Pictures += v.Estimate.Pictures
		total.Rows += v.Estimate.Rows
	}
	if len(s.Variants) > 1 {
		row("both, processor", total.Host)
		row("both, GPU", total.GPU)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if total.Pictures > 0 {
		fmt.Fprintf(out, "On top of that at most, while it works: %s to encode large pictures, %s of rows of pictures seen before.\n",
			sizeText(total.Pictures), sizeText(total.Rows))
	}
	if available > 0 {
		verdict := "it fits"
		if total.Host.Total() > available {
			verdict = "it does NOT fit: a smaller --cache-tokens, --cache-type q8_0, one variant or a smaller size needs less"
		}
		_, err := fmt.Fprintf(out, "This machine has %s of memory available: %s.\n", sizeText(available), verdict)
		return err
	}
	return nil
}

func sum(a, b footprint.Need) footprint.Need {
	return footprint.Need{
		Weights: a.Weights + b.Weights, Cache: a.Cache + b.Cache, Tower: a.Tower + b.Tower, Buffers: a.Buffers + b.Buffers,
	}
}

// availableMemory is how many bytes programs can still have, within the limit of the control group; 0 where that is not
// known.
func availableMemory(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			if limit := memlimit.OfGroup(root); limit > 0 {
				return min(n*1024, limit)
			}
			return n * 1024
		}
	}
	return 0
}
