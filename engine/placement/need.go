package placement

import (
	"fmt"
	"maps"
	"slices"
)

// Device is a memory that weights are loaded into.
type Device string

// Host is the memory of the processors.
const Host Device = "host"

// Need is what a unit takes while it is loaded, in bytes.
type Need struct {
	// Own is what it takes of each device by itself.
	Own map[Device]int64
	// Mapped are files that it maps into the host's memory, by name. Units that map the same file share it.
	Mapped map[string]int64
}

// On is what a single unit takes of a device.
func (n Need) On(d Device) int64 { return together([]Need{n})[d] }

// Budget is what all units may take together of each device. A device that is not in it has no bound.
type Budget map[Device]int64

// together adds up what units take of each device when they are loaded at the same time.
func together(needs []Need) map[Device]int64 {
	sum, mapped := map[Device]int64{}, map[string]bool{}
	for _, n := range needs {
		for d, bytes := range n.Own {
			sum[d] += bytes
		}
		for file, bytes := range n.Mapped {
			if !mapped[file] {
				mapped[file] = true
				sum[Host] += bytes
			}
		}
	}
	return sum
}

// ShortError says by how much a unit does not fit.
type ShortError struct {
	Device Device
	// Need is what it takes beside what stays loaded, Taken what that takes, Budget what there is.
	Need, Taken, Budget int64
}

func (e *ShortError) Error() string {
	memory := "of memory"
	if e.Device != Host {
		memory += " on " + string(e.Device)
	}
	if e.Taken == 0 {
		return fmt.Sprintf("needs %d MiB %s, %d MiB are there", mebibytes(e.Need), memory, e.Budget>>mebi)
	}
	return fmt.Sprintf("needs %d MiB %s, %d MiB are left beside what stays loaded",
		mebibytes(e.Need), memory, max(0, e.Budget-e.Taken)>>mebi)
}

const mebi = 20

// mebibytes rounds up, as what is left is rounded down: nothing may look as if it fitted.
func mebibytes(n int64) int64 { return (n + 1<<mebi - 1) >> mebi }

// shortfall is why n does not fit beside the others, nil where it does.
func (b Budget) shortfall(others []Need, n Need) *ShortError {
	taken := together(others)
	all := together(append(slices.Clone(others), n))
	for _, d := range slices.Sorted(maps.Keys(all)) {
		if limit, bounded := b[d]; bounded && all[d] > limit {
			return &ShortError{Device: d, Need: all[d] - taken[d], Taken: taken[d], Budget: limit}
		}
	}
	return nil
}

// Check says of each unit that could never be loaded beside the pinned ones why that is. Of the units of one turn the
// largest counts.
func (b Budget) Check(units []Unit) map[string]*ShortError {
	short := map[string]*ShortError{}
	for i := range units {
		w := &units[i]
		var stay []Need
		turns := map[string]Need{}
		for j := range units {
			switch u := &units[j]; {
			case i == j || !u.Pinned || u.Turn != "" && u.Turn == w.Turn:
			case u.Turn == "":
				stay = append(stay, u.Need)
			case turns[u.Turn].Own == nil || u.Need.On(Host) > turns[u.Turn].On(Host):
				turns[u.Turn] = u.Need
			}
		}
		for _, turn := range slices.Sorted(maps.Keys(turns)) {
			stay = append(stay, turns[turn])
		}
		if e := b.shortfall(stay, w.Need); e != nil {
			short[w.ID] = e
		}
	}
	return short
}
