// Package layout decides which parts of a model's weights lie on which device: as many layers on cards as fit there,
// and the rest with the processors. It is a pure decision from the headers of the files and what memory the devices
// have.
//
// It must not open devices, read weights, or ask the machine anything.
package layout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/footprint"
	"github.com/qwenvld/qwenvld/engine/gguf"
)

// AllLayers is every layer; AutoLayers as many as fit.
const (
	AllLayers  = -1
	AutoLayers = -2
)

// Wish is what the configuration asks for.
type Wish struct {
	// Device is for device.Choose.
	Device string
	// Layers on cards: a number, AllLayers or AutoLayers.
	Layers int
	// Tower names where pictures are encoded, as Device does; empty or device.Auto is the first card if there is room.
	Tower string
}

// Weights are those of one worker.
type Weights struct {
	Name             string // for messages, such as instruct
	Model, Projector *gguf.File
	// Sizes have every default filled in; layers and tower are this package's to choose.
	Sizes footprint.Sizes
}

// Layout is where the parts of all weights lie that are loaded at the same time.
type Layout struct {
	// Cards take Layers layers of each weights, of Of at most; none with no cards.
	Cards      []device.Device
	Layers, Of int
	// Tower is the card that encodes pictures; nil is the processors.
	Tower *device.Device
	// Needs are by weights, in their order.
	Needs []footprint.Estimate
	// Room is what the cards have left for the weights, Need what they take there.
	Room, Need int64
	names      []string
	// auto says that a smaller number of layers is not what was asked for.
	auto bool
	// spared is the card that would have been chosen, had its results been right.
	spared string
}

// What a worker's process takes on each card besides what is estimated: the driver's context, its kernels, and work
// space of matrix products. On a small card it is a smaller part.
const process = 512 << 20

// pictures is the room that is kept on the tower's card for encoding pictures. A larger one may use what is free then,
// else its request is refused.
const pictures = 1 << 30

// Plan decides for all weights that are loaded at the same time. All of them get the same number of layers.
func Plan(w Wish, cards []device.Device, all []Weights) (*Layout, error) {
	chosen, err := device.Choose(w.Device, cards)
	if err != nil {
		return nil, fmt.Errorf("device: %w", err)
	}
	l := &Layout{auto: w.Layers == AutoLayers}
	if isAuto(w.Device) && len(chosen) > 0 && wrong(chosen[0].Backend, all) {
		l.spared, chosen = chosen[0].Name, nil
	}
	l.Cards = chosen
	for i := range all {
		l.names = append(l.names, all[i].Name)
		n, err := footprint.Layers(all[i].Model)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", all[i].Name, err)
		}
		l.Of = max(l.Of, n)
	}
	asked := !isAuto(w.Tower)
	if l.Tower, err = tower(w.Tower, chosen, cards); err != nil {
		return nil, fmt.Errorf("tower_device: %w", err)
	}
	if w.Layers == 0 && !asked {
		l.Tower = nil
	}
	if err := l.choose(w.Layers, all, !asked); err != nil {
		return nil, err
	}
	if l.Layers == 0 {
		l.Cards = nil
	}
	return l, nil
}

func isAuto(setting string) bool { return setting == "" || strings.EqualFold(setting, device.Auto) }

// wrong says that a backend is known not to compute some of the weights as it must. Vulkan's products of many rows with
// a mixture of experts do not pass the selftest (docs/GPU.md).
func wrong(backend string, all []Weights) bool {
	return strings.EqualFold(backend, "Vulkan") && slices.ContainsFunc(all, func(w Weights) bool { return w.Model.Experts() > 0 })
}

// choose finds how many layers of each weights the cards take.
func (l *Layout) choose(wanted int, all []Weights, mayMoveTower bool) error {
	switch {
	case len(l.Cards) == 0 || wanted == 0:
		return l.measure(all, 0)
	case wanted == AutoLayers:
		return l.fit(all, mayMoveTower)
	case wanted < 0 || wanted > l.Of:
		return l.measure(all, l.Of)
	default:
		return l.measure(all, wanted)
	}
}

// tower is the card that setting names.
func tower(setting string, chosen, cards []device.Device) (*device.Device, error) {
	if isAuto(setting) {
		if len(chosen) == 0 {
			return nil, nil
		}
		return &chosen[0], nil
	}
	named, err := device.Choose(setting, cards)
	if err != nil || len(named) == 0 {
		return nil, err
	}
	return &named[0], nil
}

// fit takes as many layers as there is room for; without room for the tower that goes to the processors.
func (l *Layout) fit(all []Weights, mayMoveTower bool) error {
	for n := l.Of; n >= 0; n-- {
		if err := l.measure(all, n); err != nil {
			return err
		}
		if l.Need <= l.Room {
			return nil
		}
	}
	if l.Tower != nil && mayMoveTower {
		l.Tower = nil
		return l.fit(all, false)
	}
	return nil
}

// measure says what n layers of each weights take.
func (l *Layout) measure(all []Weights, n int) error {
	l.Layers, l.Needs, l.Need, l.Room = n, nil, 0, 0
	for i := range all {
		s := all[i].Sizes
		s.GPULayers, s.TowerOnGPU = n, l.Tower != nil
		e, err := footprint.Of(all[i].Model, all[i].Projector, s)
		if err != nil {
			return fmt.Errorf("%s: %w", all[i].Name, err)
		}
		l.Needs = append(l.Needs, e)
		l.Need += e.GPU.Total()
		// A context has buffers on each of the cards.
		l.Need += e.GPU.Buffers * int64(max(0, len(l.Cards)-1))
		if l.Tower != nil {
			l.Need += min(pictures, e.Pictures)
		}
	}
	for _, d := range l.used() {
		l.Room += max(0, d.Free-int64(len(all))*min(process, d.Total/16))
	}
	return nil
}

// used are the cards that take anything.
func (l *Layout) used() []device.Device {
	used := l.Cards
	if l.Layers == 0 {
		used = nil
	}
	if l.Tower == nil {
		return used
	}
	for i := range used {
		if used[i].Name == l.Tower.Name {
			return used
		}
	}
	return append(used[:len(used):len(used)], *l.Tower)
}

// OnCards says whether any part lies on a card.
func (l *Layout) OnCards() bool { return len(l.used()) > 0 }

// Used are the cards that hold any part.
func (l *Layout) Used() []device.Device { return l.used() }

// Names are those of the weights.
func (l *Layout) Names() []string { return l.names }
