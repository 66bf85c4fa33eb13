package main

import (
	"context"
	"fmt"
	"os/signal"
	"slices"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/multimodal/decoders"
)

// decodeCommand decodes pictures for the daemon.
func decodeCommand(e *environment) *cobra.Command {
	var memory int64
	cmd := &cobra.Command{
		Use:    "decode",
		Short:  "Decode pictures for the daemon, which starts this itself",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			// The daemon decides when this ends: by closing its input.
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
			beNamed()
			if memory > 0 {
				limit := syscall.Rlimit{Cur: uint64(memory), Max: uint64(memory)}
				if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
					return fmt.Errorf("decode: limit the memory: %w", err)
				}
			}
			return decoders.Serve(context.Background(), e.stdin, e.stdout)
		},
	}
	cmd.Flags().Int64Var(&memory, "address-space", 0, "bytes of address space, 0 for no limit")
	return cmd
}

// newDecoders makes processes of this program that decode. The caller closes them.
func newDecoders(e *environment, m *config.Media) (*decoders.Pool, error) {
	self, err := e.executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	// What pictures take is weighed before. This is for the day on which that is wrong: twice as much, for garbage, and
	// what the program and its runtime reserve without using it.
	const reserved = 4 << 30
	p := decoders.New(decoders.Command{
		Path: e.running(self), Name: self, Args: []string{"decode", "--address-space", strconv.FormatInt(2*m.DecodeMemory+reserved, 10)},
		Env: append(slices.Clone(e.variables), "GOTRACEBACK=none", "GOGC=50"),
	})
	if err := p.Warm(); err != nil {
		return nil, err
	}
	return p, nil
}
