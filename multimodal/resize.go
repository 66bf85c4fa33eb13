package multimodal

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// Image is 8-bit RGB in row-major order, 3*Width*Height bytes.
type Image struct {
	Width, Height int
	RGB           []byte
}

const (
	channels = 3
	// precision is the number of fractional bits of a weight: 32 less 8 for the pixel and 2 for overshoot, as in
	// Pillow.
	precision = 32 - 8 - 2
)

// Resize resamples src to width x height with Pillow's bicubic filter (a = -0.5, widened when shrinking), horizontally
// and then vertically, each rounded to 8 bits: the same bytes as Image.resize((width, height), BICUBIC) of Pillow
// before version 13, which changed the order for some sizes. src is not changed; it is returned itself when the size is
// the same. Cancelling ctx ends it between rows. Sizes without pixels, and a src whose bytes do not fit its size, are
// mistakes of the caller and no *Error.
func Resize(ctx context.Context, src *Image, width, height int) (*Image, error) {
	if width <= 0 || height <= 0 || src.Width <= 0 || src.Height <= 0 || len(src.RGB) != channels*src.Width*src.Height {
		return nil, fmt.Errorf("resize %d bytes of %d x %d pixels to %d x %d", len(src.RGB), src.Width, src.Height, width, height)
	}
	// Pillow's one exception to the order.
	const narrow = 100
	if src.Height > narrow*src.Width && height < src.Height {
		out, err := resizeRows(ctx, src, height)
		if err != nil {
			return nil, err
		}
		return resizeColumns(ctx, out, width)
	}
	out, err := resizeColumns(ctx, src, width)
	if err != nil {
		return nil, err
	}
	return resizeRows(ctx, out, height)
}

// resizeColumns changes the width.
func resizeColumns(ctx context.Context, src *Image, width int) (*Image, error) {
	if width == src.Width {
		return src, nil
	}
	out := &Image{Width: width, Height: src.Height, RGB: make([]byte, channels*width*src.Height)}
	taps := newFilter(src.Width, width)
	err := inRows(ctx, src.Height, func(y int) {
		taps.row(out.RGB[channels*width*y:channels*width*(y+1)], src.RGB[channels*src.Width*y:channels*src.Width*(y+1)])
	})
	return out, err
}

// resizeRows changes the height.
func resizeRows(ctx context.Context, src *Image, height int) (*Image, error) {
	if height == src.Height {
		return src, nil
	}
	stride := channels * src.Width
	out := &Image{Width: src.Width, Height: height, RGB: make([]byte, stride*height)}
	taps := newFilter(src.Height, height)
	err := inRows(ctx, height, func(y int) {
		taps.column(out.RGB[stride*y:stride*(y+1)], src.RGB, stride, y)
	})
	return out, err
}

// inRows calls do for every row, in bands that as many goroutines as there are processors take in turn.
func inRows(ctx context.Context, rows int, do func(y int)) error {
	const band = 16
	var next atomic.Int64
	var g sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (rows+band-1)/band) {
		g.Go(func() {
			for ctx.Err() == nil {
				from := int(next.Add(band)) - band
				if from >= rows {
					return
				}
				for y := from; y < min(rows, from+band); y++ {
					do(y)
				}
			}
		})
	}
	g.Wait()
	return context.Cause(ctx)
}

// filter holds, for each output pixel of one axis, the first input pixel and the weights of those that count.
type filter struct {
	first   []int
	weights [][]int32
}

// newFilter is Pillow's precompute_coeffs and normalize_coeffs_8bpc.
func newFilter(in, out int) *filter {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support := 2 * stretch
	f := &filter{first: make([]int, out), weights: make([][]int32, out)}
	size := int(math.Ceil(support))*2 + 1
	values := make([]float64, size)
	all := make([]int32, size*out)
	for i := range out {
		center := float64((float64(i) + 0.5) * scale) // converted, so that it is rounded as in C
		low := max(0, int(center-support+0.5))
		high := min(in, int(center+support+0.5))
		n := high - low
		sum, inverse := 0.0, 1/stretch
		for k := range n {
			values[k] = cubic((float64(k+low) - center + 0.5) * inverse)
			sum += values[k]
		}
		quantised := all[size*i : size*i+n : size*i+n]
		for k := range n {
			w := values[k]
			if sum != 0 {
				w /= sum
			}
			if w < 0 {
				quantised[k] = int32(-0.5 + w*(1<<precision))
			} else {
				quantised[k] = int32(0.5 + w*(1<<precision))
			}
		}
		f.first[i], f.weights[i] = low, quantised
	}
	return f
}

// cubic is the Keys kernel with a = -0.5, in the order of operations that Pillow uses. Conversions keep products from
// being fused with sums on processors that can.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64(float64(float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return (float64(float64(float64((x-5)*x)+8)*x) - 4) * a
	default:
		return 0
	}
}

// row resamples one row.
func (f *filter) row(dst, src []byte) {
	for i, weights := range f.weights {
		r, g, b := int32(1<<(precision-1)), int32(1<<(precision-1)), int32(1<<(precision-1))
		in := src[channels*f.first[i]:]
		in = in[:channels*len(weights)]
		for k, w := range weights {
			p := in[channels*k : channels*k+channels : channels*k+channels]
			r += int32(p[0]) * w
			g += int32(p[1]) * w
			b += int32(p[2]) * w
		}
		out := dst[channels*i : channels*i+channels : channels*i+channels]
		out[0], out[1], out[2] = clip(r), clip(g), clip(b)
	}
}

// column computes row y of the output from the rows above and below.
func (f *filter) column(dst, src []byte, stride, y int) {
	const half = 1 << (precision - 1)
	weights := f.weights[y]
	base := src[stride*f.first[y]:]
	// A block of columns at a time keeps the sums in the processor's cache.
	const block = 256
	var sums [block]int32
	for from := 0; from < stride; from += block {
		n := min(block, stride-from)
		acc := sums[:n]
		for i := range acc {
			acc[i] = half
		}
		for k, w := range weights {
			in := base[stride*k+from:]
			in = in[:n]
			for i, v := range in {
				acc[i] += int32(v) * w
			}
		}
		out := dst[from : from+n]
		for i, v := range acc {
			out[i] = clip(v)
		}
	}
}

func clip(v int32) byte { return toByte(v >> precision) }
