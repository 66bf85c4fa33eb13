package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/engine/llama"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the llama.cpp base and the compute kernels compiled in",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := llama.SystemInfo()
			out := cmd.OutOrStdout()
			_, err := fmt.Fprintf(out, "qwenvld    %s (%s, %s/%s)\nllama.cpp  %s\ndevices    %s\nkernels    %s\n",
				version, runtime.Version(), runtime.GOOS, runtime.GOARCH, s.Base,
				strings.Join(s.Devices, "; "), strings.Join(s.Kernels, " "))
			if err == nil && s.Warning != "" {
				_, err = fmt.Fprintln(out, "WARNING   ", s.Warning)
			}
			return err
		},
	}
}
