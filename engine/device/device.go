// Package device describes the compute devices of a machine, and chooses among them by the names that the configuration
// has for them.
//
// It must not open devices, load libraries or start processes: what is there, others have found out.
package device

import (
	"fmt"
	"slices"
	"strings"
)

// Kind tells graphics cards from what else computes.
type Kind string

// Kinds of devices.
const (
	// Discrete cards have memory of their own, integrated ones share the processor's.
	Discrete   Kind = "gpu"
	Integrated Kind = "integrated"
	Processor  Kind = "cpu"
	// Accelerator helps the processor with some operations, and needs no choice.
	Accelerator Kind = "accelerator"
)

// Device is one of them.
type Device struct {
	// Name is ggml's, such as CUDA0; the configuration writes it in any case.
	Name string `json:"name"`
	// Backend is the interface that it is reached by, such as CUDA, Vulkan, Metal or CPU.
	Backend     string `json:"backend"`
	Description string `json:"description"`
	Kind        Kind   `json:"kind"`
	// Free and Total are bytes of memory; 0 where it has none of its own.
	Free  int64 `json:"memory_free"`
	Total int64 `json:"memory_total"`
}

// Card says whether it can take layers off the processors.
func (d *Device) Card() bool { return d.Kind == Discrete || d.Kind == Integrated }

// Report is what one backend has found.
type Report struct {
	// Backend is the name of its library, such as cuda, and Folder where that lies; empty for what is compiled in.
	Backend string `json:"backend"`
	Folder  string `json:"folder,omitempty"`
	// Devices are those found; Fault says why there are none, or why the backend cannot be used.
	Devices []Device `json:"devices"`
	Fault   string   `json:"fault,omitempty"`
}

// Works says whether the backend has devices.
func (r *Report) Works() bool { return r.Fault == "" && len(r.Devices) > 0 }

// Cards are the devices of all reports that can take layers.
func Cards(reports []Report) []Device {
	var out []Device
	for i := range reports {
		if !reports[i].Works() {
			continue
		}
		for _, d := range reports[i].Devices {
			if d.Card() {
				out = append(out, d)
			}
		}
	}
	return out
}

// Folders are those of the backends that have any of the devices.
func Folders(reports []Report, devices []Device) []string {
	var out []string
	for i := range reports {
		r := &reports[i]
		has := slices.ContainsFunc(r.Devices, func(d Device) bool {
			return slices.ContainsFunc(devices, func(want Device) bool { return want.Name == d.Name })
		})
		if r.Works() && r.Folder != "" && has {
			out = append(out, r.Folder)
		}
	}
	return out
}

// Settings that name no device.
const (
	Auto = "auto"
	CPU  = "cpu"
)

// Choose returns the cards that setting names: Auto or nothing for the best there are, CPU for none, else names of
// devices or of backends with commas between, such as "cuda0,cuda1" or "metal".
func Choose(setting string, cards []Device) ([]Device, error) {
	switch strings.ToLower(strings.TrimSpace(setting)) {
	case "", Auto:
		return best(cards), nil
	case CPU:
		return nil, nil
	}
	var out []Device
	for name := range strings.SplitSeq(setting, ",") {
		found := named(strings.TrimSpace(name), cards)
		if len(found) == 0 {
			return nil, &UnknownError{Name: strings.TrimSpace(name), Known: cards}
		}
		for _, d := range found {
			if slices.Contains(out, d) {
				return nil, fmt.Errorf("device %q is named twice", d.Name)
			}
			out = append(out, d)
		}
	}
	return out, nil
}

// UnknownError is a name that no device has.
type UnknownError struct {
	Name  string
	Known []Device
}

func (e *UnknownError) Error() string {
	known := []string{Auto, CPU}
	for i := range e.Known {
		known = append(known, strings.ToLower(e.Known[i].Name))
	}
	return fmt.Sprintf("there is no device %q, only %s; `qwenvld devices` tells what was found", e.Name, strings.Join(known, ", "))
}

// named are the card of that name, or all cards of a backend of that name.
func named(name string, cards []Device) []Device {
	var out []Device
	for i := range cards {
		if strings.EqualFold(cards[i].Name, name) {
			return []Device{cards[i]}
		}
		if strings.EqualFold(cards[i].Backend, name) {
			out = append(out, cards[i])
		}
	}
	return out
}

// best are the discrete cards of one backend, a vendor's own before others, or else one integrated card. The same card
// may be there once for each backend that reaches it, so backends are not mixed.
func best(cards []Device) []Device {
	order := []string{"CUDA", "ROCm", "Metal"} // before those that any card has
	groups := map[string][]Device{}
	for i := range cards {
		if d := cards[i]; d.Kind == Discrete {
			groups[d.Backend] = append(groups[d.Backend], d)
			if !slices.Contains(order, d.Backend) {
				order = append(order, d.Backend)
			}
		}
	}
	for _, backend := range order {
		if g := groups[backend]; len(g) > 0 {
			return g
		}
	}
	for i := range cards {
		if cards[i].Kind == Integrated {
			return cards[i : i+1 : i+1]
		}
	}
	return nil
}
