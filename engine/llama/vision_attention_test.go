package llama

import (
	"context"
	"slices"
	"testing"
)

// towerRows encodes one still picture of depthSide with the dense tower.
func towerRows(t *testing.T, o VisionOptions, rgb []byte, side int) []float32 {
	t.Helper()
	o.Path, o.Threads = modelFile(t, denseProjector), 2
	v, err := LoadVision(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	rows, err := v.Encode(context.Background(), Frames{rgb, rgb}, side, side)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// The device of our attention kernel stands for a card whose flash attention does not take the heads of a tower: it wants a mask. What
// such a card leaves must not go to ggml's flash attention for processors in half precision, which is 0.1 off over 4,096 patches.
func TestACardWithoutAttentionForTheTowersHeadsIsAsExact(t *testing.T) {
	loadModel(t, denseModel) // registers the device
	rgb := depthPicture()
	want := towerRows(t, VisionOptions{}, rgb, depthSide)
	got := towerRows(t, VisionOptions{Device: "attention"}, rgb, depthSide)
	const parts = 4
	if worst := worstRow(got, want, len(want)/(depthSide/32*depthSide/32)/parts); worst > 2e-3 {
		t.Errorf("rows of a picture of %d x %d are %.2g off", depthSide, depthSide, worst)
	}
}

func TestZerosBesideTheValuesOfHeadsChangeNothing(t *testing.T) {
	const side, head = 160, 16
	rgb := gradient(side, side)
	want := towerRows(t, VisionOptions{flash: flash{width: head}}, rgb, side)
	if got := towerRows(t, VisionOptions{flash: flash{width: head + 8}}, rgb, side); !slices.Equal(got, want) {
		t.Errorf("rows are %.2g off", worstRow(got, want, len(want)))
	}
	if plain := towerRows(t, VisionOptions{}, rgb, side); worstRow(want, plain, len(plain)) > 1e-4 {
		t.Error("flash attention is not the attention of slices")
	}
}

// ggml's flash attention for processors sums in half precision where values are in half precision, as CUDA's always does. With their
// mean taken off first, rows of this picture of 1,600 patches are 0.007 off, without 0.024.
func TestSumsInHalfPrecisionLoseNothingOfManyPatches(t *testing.T) {
	const side, head, parts, edge = 640, 16, 4, 32
	rgb := gradient(side, side)
	want := towerRows(t, VisionOptions{}, rgb, side)
	got := towerRows(t, VisionOptions{flash: flash{width: head, half: true}}, rgb, side)
	worst := worstRow(got, want, len(want)/(side/edge*side/edge)/parts)
	if worst > 1e-2 {
		t.Errorf("rows are %.2g off", worst)
	}
}

func TestHeadsAreWidenedOnlyWhereTensorCoresDoNotTakeThem(t *testing.T) {
	for _, c := range []struct {
		backend     string
		head, width int
	}{{"CUDA", 72, 80}, {"CUDA", 64, 64}, {"CUDA", 80, 80}, {"CUDA", 16, 16}, {"Vulkan", 72, 72}, {"Metal", 72, 72}, {"CPU", 72, 72}} {
		if got := flashWidth(c.backend, c.head); got != c.width {
			t.Errorf("%s: heads of %d become %d wide, want %d", c.backend, c.head, got, c.width)
		}
	}
}
