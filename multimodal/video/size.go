package video

import (
	"fmt"
	"math"

	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video/limits"
)

// PixelBudget bounds the resized area of a video, in pixels. Frames are counted as they are shown, in pairs.
type PixelBudget struct {
	// MinTotal and MaxTotal bound the sum over all frames.
	MinTotal, MaxTotal int
	// MinFrame and MaxFrame bound the mean of a frame; 0 is no bound.
	MinFrame, MaxFrame int
}

// DefaultPixelBudget is that of Qwen's video_preprocessor_config.json (shortest_edge and longest_edge): at most 12,288
// tokens.
func DefaultPixelBudget() PixelBudget {
	return PixelBudget{MinTotal: limits.ModelMinPixels, MaxTotal: limits.ModelMaxPixels}
}

// total is the budget of so many frames.
func (b PixelBudget) total(frames int) (low, high int) {
	low, high = max(b.MinTotal, b.MinFrame*frames), b.MaxTotal
	if b.MaxFrame > 0 {
		high = min(high, b.MaxFrame*frames)
	}
	return min(low, high), high
}

// pair is how many frames become one group: the model's temporal patch.
const pair = 2

const maxAspectRatio = 200

// Resize chooses the size in pixels, multiples of factor, that each of the frames is resized to: smart_resize of
// transformers' video_processing_qwen3_vl.py, without its cap_pixels_per_frame. It fails with KindAspectRatio or, for a
// single frame, KindSelection.
func Resize(frames, height, width, factor int, budget PixelBudget) (h, w int, err error) {
	if frames < pair {
		return 0, 0, multimodal.NewError(multimodal.KindSelection, nil,
			"A video of one frame cannot be shown as a video; send it as an image.")
	}
	if height <= 0 || width <= 0 {
		return 0, 0, multimodal.NewError(multimodal.KindCorrupt, nil, fmt.Sprintf("The video is %d x %d pixels.", width, height))
	}
	low, high := budget.total(frames)
	f, fh, fw := float64(factor), float64(height), float64(width)
	if height < factor || width < factor {
		scale := max(f/fh, f/fw)
		fh, fw = math.Trunc(fh*scale), math.Trunc(fw*scale)
	}
	if max(fh, fw)/min(fh, fw) > maxAspectRatio {
		return 0, 0, multimodal.NewError(multimodal.KindAspectRatio, nil, fmt.Sprintf(
			"The video is %d x %d pixels; one side may be at most %d times the other.", width, height, maxAspectRatio))
	}
	n := float64(frames)
	h = int(math.RoundToEven(fh/f)) * factor
	w = int(math.RoundToEven(fw/f)) * factor
	shown := int(math.RoundToEven(n/pair)) * pair
	switch area := shown * h * w; {
	case area > high:
		beta := math.Sqrt(n * fh * fw / float64(high))
		h = max(factor, int(math.Floor(fh/beta/f))*factor)
		w = max(factor, int(math.Floor(fw/beta/f))*factor)
	case area < low:
		beta := math.Sqrt(float64(low) / (n * fh * fw))
		h = int(math.Ceil(fh*beta/f)) * factor
		w = int(math.Ceil(fw*beta/f)) * factor
	}
	return h, w, nil
}

// Groups is how many frame pairs so many frames make; the last frame stands twice in the last one where their number is
// odd.
func Groups(frames int) int { return (frames + 1) / pair }
