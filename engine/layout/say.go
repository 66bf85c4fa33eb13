package layout

import (
	"fmt"
	"strings"

	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/footprint"
)

// ShortError is weights that were sent to cards which cannot hold them.
type ShortError struct{ layout *Layout }

func (e *ShortError) Error() string {
	l := e.layout
	var b strings.Builder
	fmt.Fprintf(&b, "%s not fit on %s: ", agree(l.names), cardNames(l.used()))
	for i, n := range l.Needs {
		fmt.Fprintf(&b, "%s takes %s (weights %s, cache %s, tower %s, buffers %s), ",
			l.names[i], size(n.GPU.Total()), size(n.GPU.Weights), size(n.GPU.Cache), size(n.GPU.Tower), size(n.GPU.Buffers))
	}
	fmt.Fprintf(&b, "and there is room for %s", size(l.Room))
	for _, d := range l.used() {
		fmt.Fprintf(&b, "; %s has %s of %s free", d.Name, size(d.Free), size(d.Total))
	}
	return b.String() + "; gpu_layers: auto takes as many layers as fit"
}

// Check returns a *ShortError where weights and cache alone, which are known exactly, exceed what the cards have free.
// What is estimated beside them may turn out smaller, so the rest is tried.
func (l *Layout) Check() error {
	var certain, free int64
	for i := range l.Needs {
		n := &l.Needs[i].GPU
		certain += n.Weights + n.Cache + n.Tower
	}
	for _, d := range l.used() {
		free += d.Free
	}
	if certain > free {
		return &ShortError{l}
	}
	return nil
}

// String tells in one line what runs where, and what did not fit.
func (l *Layout) String() string {
	where := "the processors"
	if !l.OnCards() {
		text := fmt.Sprintf("%s on %s", strings.Join(l.names, " and "), where)
		if l.spared != "" {
			text += fmt.Sprintf(" (%s would compute a mixture of experts wrongly; engine.device takes it all the same)", l.spared)
		}
		return text
	}
	var parts []string
	switch {
	case l.Layers == 0:
		parts = append(parts, "layers on the processors")
	case l.Layers >= l.Of:
		parts = append(parts, fmt.Sprintf("all %d layers and cache on %s", l.Of, cardNames(l.Cards)))
	default:
		parts = append(parts, fmt.Sprintf("the last %d of %d layers and their cache on %s, the others on the processors",
			l.Layers, l.Of, cardNames(l.Cards)))
	}
	if l.pictured() {
		if l.Tower != nil {
			where = l.Tower.Name
		}
		parts = append(parts, "pictures on "+where)
	}
	text := fmt.Sprintf("%s: %s; %s of %s that the cards have room for",
		strings.Join(l.names, " and "), strings.Join(parts, ", "), size(l.Need), size(l.Room))
	if l.Layers < l.Of && l.auto {
		text += fmt.Sprintf(" (%d layers did not fit)", l.Of-l.Layers)
	}
	if l.Need > l.Room {
		text += ": this may not fit"
	}
	return text
}

// pictured says whether any of the weights see pictures.
func (l *Layout) pictured() bool {
	for i := range l.Needs {
		if l.Needs[i].GPU.Tower+l.Needs[i].Host.Tower > 0 {
			return true
		}
	}
	return false
}

// Host is what the processors' memory has to hold.
func (l *Layout) Host() footprint.Need {
	var sum footprint.Need
	for i := range l.Needs {
		n := &l.Needs[i].Host
		sum.Weights += n.Weights
		sum.Cache += n.Cache
		sum.Tower += n.Tower
		sum.Buffers += n.Buffers
	}
	return sum
}

func agree(names []string) string {
	if len(names) == 1 {
		return names[0] + " does"
	}
	return strings.Join(names, " and ") + " do"
}

func cardNames(cards []device.Device) string {
	out := make([]string, len(cards))
	for i := range cards {
		out[i] = cards[i].Name
	}
	return strings.Join(out, " and ")
}

// size writes bytes as people do.
func size(n int64) string {
	const mib, gib = 1 << 20, 1 << 30
	if n < gib {
		return fmt.Sprintf("%.0f MiB", float64(n)/mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/gib)
}
