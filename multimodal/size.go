package multimodal

import "math"

// PixelLimits bound the area of a resized image, in pixels.
type PixelLimits struct{ Min, Max int }

// DefaultPixelLimits are those of Qwen's preprocessor_config.json (shortest_edge and longest_edge): 64 to 16,384
// tokens.
func DefaultPixelLimits() PixelLimits { return PixelLimits{Min: 65536, Max: 16777216} }

// maxAspectRatio is where transformers refuses an image.
const maxAspectRatio = 200

// SmartResize chooses the size in pixels that an image is resized to, multiples of factor within the limits
// (transformers' smart_resize). It fails with KindAspectRatio. Sides need not be positive, as a header may lie; that is
// KindCorrupt.
func SmartResize(height, width, factor int, limits PixelLimits) (h, w int, err error) {
	if height <= 0 || width <= 0 {
		return 0, 0, fault(KindCorrupt, nil, "The image is %d x %d pixels.", width, height)
	}
	if max(height, width) > maxAspectRatio*min(height, width) {
		return 0, 0, fault(KindAspectRatio, nil, "The image is %d x %d pixels; one side may be at most %d times the other.",
			width, height, maxAspectRatio)
	}
	f, fh, fw := float64(factor), float64(height), float64(width)
	h = int(math.RoundToEven(fh/f)) * factor
	w = int(math.RoundToEven(fw/f)) * factor
	switch {
	case h*w > limits.Max:
		beta := math.Sqrt(fh * fw / float64(limits.Max))
		h = max(factor, int(math.Floor(fh/beta/f))*factor)
		w = max(factor, int(math.Floor(fw/beta/f))*factor)
	case h*w < max(limits.Min, 1): // a side can have been rounded to nothing
		beta := math.Sqrt(float64(max(limits.Min, 1)) / (fh * fw))
		h = int(math.Ceil(fh*beta/f)) * factor
		w = int(math.Ceil(fw*beta/f)) * factor
	}
	return h, w, nil
}
