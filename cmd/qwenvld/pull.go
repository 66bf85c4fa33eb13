package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/pull"
)

// modelNames tells how models are named.
const modelNames = `MODEL is one of
  qwen3-vl:8b                    both variants with their projectors, of a size: 2b, 4b, 8b, 32b, 30b-a3b, 235b-a22b
  qwen3-vl:8b-thinking           one variant of them
  qwen3-vl:8b@q8_0               in another quantisation than Q4_K_M
  hf.co/ORG/REPO:Q4_K_M          GGUF files of any repository on Hugging Face's hub; @REVISION before the colon pins a commit or tag
  modelscope.cn/ORG/REPO:Q4_K_M  the same on ModelScope
  ./FOLDER                       GGUF files on this machine, told apart by "instruct", "thinking" and "mmproj" in their names`

func pullCommand(e *environment) *cobra.Command {
	verify := false
	cmd := &cobra.Command{
		Use:   "pull MODEL",
		Short: "Fetch a model's files, or what is new of them",
		Long: `Fetch a model's files into the cache of Hugging Face's tools, where hf and llama-server find them too. What is there is not
fetched again, what was broken off goes on, and all is checked against the hub's own sha256.

` + modelNames + `

The variables of Hugging Face's tools count: HF_ENDPOINT (a mirror), HF_TOKEN or HF_TOKEN_PATH, HF_HUB_CACHE or HF_HOME (where files are
kept), HF_HUB_OFFLINE; MODELSCOPE_DOMAIN for ModelScope.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reference, err := hub.Parse(args[0])
			if err != nil {
				return &usageError{cmd, err}
			}
			p := newProgress(e, nil)
			defer p.end()
			err = withPuller(e, p.report, func(puller *pull.Puller) error {
				parts, err := puller.Ask(cmd.Context(), reference)
				if err != nil {
					return err
				}
				if verify {
					if err := puller.Verify(cmd.Context(), parts); err != nil {
						return err
					}
				}
				if err := puller.Fetch(cmd.Context(), parts); err != nil {
					return err
				}
				p.end()
				return told(cmd.OutOrStdout(), args[0], parts)
			})
			if cmd.Context().Err() != nil {
				return errInterrupted
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "read files that are there and fetch anew what is not as the hub has it")
	return cmd
}

// told says where the files are, once they are known to be ones that can be served.
func told(out io.Writer, name string, parts []pull.Part) error {
	for i := range parts {
		p := &parts[i]
		if err := gguf.CheckPair(p.ModelPath(), p.ProjectorPath()); err != nil {
			return explainForeign(err)
		}
		if _, err := fmt.Fprintf(out, "%s  %s\n", p.Variant, p.ModelPath()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "serve it with: qwenvld serve %s\n", name)
	return err
}
