package gguf

import (
	"math"
	"slices"
	"strconv"
)

// Bounds of engine/llama's vision tower.
const (
	maxMerge  = 8
	maxPatch  = 256
	maxPixels = 1 << 31
)

// checkProjector checks what engine/llama's vision tower reads. Other tensors may lie beside it.
func (f *File) checkProjector() error {
	c := &checker{file: f, used: map[string]bool{}, anyInteger: true}
	arch, _ := f.Text(keyArchitecture)
	kind, _ := f.Text("clip.projector_type")
	if arch != "clip" || kind != "qwen3vl_merger" {
		c.fail("is of the type \"%s/%s\", expected a projector (mmproj) of the type clip/qwen3vl_merger", arch, kind)
	}
	for _, key := range []string{"clip.has_vision_encoder", "clip.use_gelu"} {
		if on, _ := f.Bool(key); !on {
			c.fail("key %q is not true: there is no GELU vision encoder", key)
		}
	}
	c.finite()
	if c.err == nil {
		c.tower()
	}
	return c.err
}

func (c *checker) tower() {
	const v = "clip.vision."
	patch := c.number(v+"patch_size", 1, maxPatch)
	width := c.number(v+"embedding_length", 1, maxWidth)
	hidden := c.number(v+"feed_forward_length", 1, maxWidth)
	depth := c.number(v+"block_count", 1, maxLayers)
	heads := c.number(v+"attention.head_count", 1, maxHeads)
	out := c.number(v+"projection_dim", 1, maxWidth)
	merge := c.numberOr(v+"spatial_merge_size", 2, 1, maxMerge)
	c.numberOr(v+"temporal_patch_size", 2, 2, 2)
	low := c.numberOr(v+"image_min_pixels", 0, 0, maxPixels)
	if high := c.numberOr(v+"image_max_pixels", 0, 0, maxPixels); high > 0 && low > high {
		c.fail("key %q is %d, more than image_max_pixels, %d", v+"image_min_pixels", low, high)
	}
	c.positive(v+"attention.layer_norm_epsilon", true)
	c.colours(v+"image_mean", math.Inf(-1))
	c.colours(v+"image_std", 0)
	if c.err == nil && (width%heads != 0 || width/heads%4 != 0) {
		c.fail("key %q is %d: the heads do not divide a width of %d into multiples of 4", v+"attention.head_count", heads, width)
	}
	if c.err != nil {
		return
	}
	const colours = 3
	c.kernel("v.patch_embd.weight", patch, colours, width)
	c.kernel("v.patch_embd.weight.1", patch, colours, width)
	c.tensor("v.patch_embd.bias", any32, width)
	c.positions(width)
	merged := width * merge * merge
	for i := range depth {
		if c.err != nil {
			return
		}
		n := strconv.FormatInt(i, 10)
		c.affine("v.blk."+n+".ln1", width)
		c.affine("v.blk."+n+".ln2", width)
		c.affine("v.blk."+n+".attn_qkv", width, 3*width)
		c.affine("v.blk."+n+".attn_out", width, width)
		c.affine("v.blk."+n+".ffn_up", width, hidden)
		c.affine("v.blk."+n+".ffn_down", hidden, width)
		if c.file.Tensor("v.deepstack."+n+".fc1.weight") != nil {
			c.affine("v.deepstack."+n+".norm", merged)
			c.affine("v.deepstack."+n+".fc1", merged, merged)
			c.affine("v.deepstack."+n+".fc2", merged, out)
		}
	}
	c.affine("v.post_ln", width)
	c.affine("mm.0", merged, merged)
	c.affine("mm.2", merged, out)
}

// affine checks a layer with a bias, a norm where only one width is given.
func (c *checker) affine(name string, dims ...int64) {
	role := factor
	if len(dims) == 1 {
		role = any32
	}
	c.tensor(name+".weight", role, dims...)
	c.tensor(name+".bias", any32, dims[len(dims)-1])
}

// kernel checks a slice of the convolution, which is kept with four dimensions or as a matrix.
func (c *checker) kernel(name string, patch, colours, width int64) {
	if t := c.file.Tensor(name); t != nil && slices.Equal(t.shape(), []int64{patch * patch * colours, width}) {
		c.tensor(name, any32, patch*patch*colours, width)
		return
	}
	c.tensor(name, any32, patch, patch, colours, width)
}

// positions checks the learned table, a square of any size.
func (c *checker) positions(width int64) {
	const name = "v.position_embd.weight"
	t := c.file.Tensor(name)
	if t == nil {
		c.fail("has no tensor %q", name)
		return
	}
	side := int64(math.Round(math.Sqrt(float64(t.Dims[1]))))
	c.tensor(name, any32, width, side*side)
}

// colours checks three floats, which may be absent.
func (c *checker) colours(key string, above float64) {
	v := c.file.keys[key]
	if v == nil {
		return
	}
	values, ok := c.file.Float32s(key)
	if !ok || len(values) != 3 {
		c.fail("key %q is %s, expected three float32s", key, v.describe())
		return
	}
	for _, n := range values {
		if !(float64(n) > above) || math.IsInf(float64(n), 0) {
			c.fail("key %q is %v", key, values)
		}
	}
}
