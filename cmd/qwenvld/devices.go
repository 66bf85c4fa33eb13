package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/device/probe"
	"github.com/qwenvld/qwenvld/engine/llama"
)

func devicesCommand(e *environment) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List the devices that can compute, and what would run there",
		Long: `List the devices that can compute, with their memory, and what of the configured model would run where. Each backend is asked
in a process of its own, so that a broken driver shows as such and harms nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(cmd.Flags(), e.variables)
			if err != nil {
				return err
			}
			listed := listedDevices{Backends: findDevices(cmd.Context(), e)}
			listed.plan(e, c)
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), listed)
			}
			return listed.print(cmd.OutOrStdout())
		},
	}
	config.AddFileFlag(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// probeCommand lists the devices of one backend in this process.
func probeCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:    "probe [FOLDER]",
		Short:  "List the devices of one backend, for qwenvld devices and serve, which start this themselves",
		Args:   cobra.MaximumNArgs(1),
		Hidden: true,
		RunE: func(_ *cobra.Command, folders []string) error {
			var found probe.Found
			devices, err := llama.OpenDevices(folders, slog.New(slog.DiscardHandler))
			if err != nil {
				found.Fault = err.Error()
			}
			for _, d := range devices.List() {
				found.Devices = append(found.Devices, device.Device{
					Name: d.Name, Backend: d.Backend, Description: d.Description, Kind: device.Kind(d.Kind), Free: d.Free, Total: d.Total,
				})
			}
			return json.NewEncoder(e.stdout).Encode(found)
		},
	}
}

// backendFolders are those of the backends that were built for this binary: in lib/qwenvld beside its folder, or
// beneath it.
func backendFolders(e *environment) []string {
	self, err := e.executable()
	if err != nil {
		return nil
	}
	for _, root := range libraryFolders(self) {
		if folders := probe.Folders(root); len(folders) > 0 {
			return folders
		}
	}
	return nil
}

// findDevices asks children of this program.
func findDevices(ctx context.Context, e *environment) []device.Report {
	self, err := e.executable()
	if err != nil {
		return []device.Report{{Backend: probe.BuiltIn, Fault: fmt.Sprintf("find this binary: %v", err)}}
	}
	return probe.List(ctx, probe.Command{Path: self, Args: []string{"probe"}, Env: workerEnvironment(e.variables)}, backendFolders(e))
}

// listedDevices is what the command tells.
type listedDevices struct {
	Backends []device.Report `json:"backends"`
	// Layouts tell in words what of each configured model would run where.
	Layouts []string `json:"layouts"`
}

func (l *listedDevices) plan(e *environment, c *config.Config) {
	models := c.Models
	if len(models) == 0 {
		if demo, err := chooseModel(e, c, slog.New(slog.DiscardHandler)); err == nil {
			models = []config.Model{*demo}
		}
	}
	for i := range models {
		if models[i].Pull != "" {
			l.Layouts = append(l.Layouts, models[i].ID+": qwenvld show tells of "+models[i].Pull)
			continue
		}
		plans, err := planModel(&models[i], device.Cards(l.Backends))
		if err != nil {
			l.Layouts = append(l.Layouts, models[i].ID+": "+err.Error())
		}
		for _, p := range plans {
			l.Layouts = append(l.Layouts, models[i].ID+": "+p.String())
		}
	}
}

func (l *listedDevices) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "name\tbackend\tmemory free\tof\twhat it is")
	var faults []string
	for i := range l.Backends {
		b := &l.Backends[i]
		if b.Fault != "" {
			faults = append(faults, b.Backend+": "+b.Fault)
		}
		for _, d := range b.Devices {
			if d.Kind == device.Accelerator {
				continue
			}
			free, total := "", ""
			if d.Total > 0 {
				free, total = sizeText(d.Free), sizeText(d.Total)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", strings.ToLower(d.Name), d.Backend, free, total, d.Description)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range faults {
		fmt.Fprintln(out, "not usable: ", f)
	}
	for _, line := range l.Layouts {
		fmt.Fprintln(out, line)
	}
	return nil
}
