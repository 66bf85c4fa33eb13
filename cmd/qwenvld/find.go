package main

import (
	"slices"

	"github.com/spf13/pflag"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/internal/running"
)

func addURLFlag(flags *pflag.FlagSet, address *string) {
	flags.StringVar(address, "url", "", "address of the daemon (default $"+config.VariableURL+", else the one that runs on this machine)")
}

// findDaemon is the daemon to speak to: the one at address, else the one that the environment names, else the latest
// that this user runs on this machine, else one at the default address.
func findDaemon(e *environment, address string) (running.Daemon, error) {
	key := e.variable(config.VariableKey) != ""
	if address == "" {
		address = e.variable(config.VariableURL)
	}
	if address != "" {
		return running.Daemon{URL: address, Keys: key}, nil
	}
	d, err := runningDaemon(e)
	if d == nil {
		d = &running.Daemon{URL: "http://" + config.Default().Listen, Keys: key}
	}
	return *d, err
}

// runningDaemon is the latest daemon that this user started on this machine; nil when none runs.
func runningDaemon(e *environment) (*running.Daemon, error) {
	all, err := running.List(e.tempDir)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	latest := slices.MaxFunc(all, func(a, b running.Daemon) int { return a.Started.Compare(b.Started) })
	return &latest, nil
}
