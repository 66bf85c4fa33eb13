package gguf

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// CheckModel says why a file cannot be served as a language model, nil if it can. It reads no weights, so it is quick.
func CheckModel(path string) error {
	_, err := ReadModel(path)
	return err
}

// CheckProjector says why a file cannot be served as a vision projector (mmproj), nil if it can.
func CheckProjector(path string) error {
	_, err := readProjector(path)
	return err
}

// CheckPair checks a model and, unless it is empty, its projector, and that they belong together.
func CheckPair(model, projector string) error {
	_, err := ReadPair(model, projector)
	return err
}

// ReadPair is ReadModel after which the projector too, unless its path is empty, is known to be good and to belong to
// the model.
func ReadPair(model, projector string) (*File, error) {
	m, err := ReadModel(model)
	if err != nil || projector == "" {
		return m, err
	}
	p, err := readProjector(projector)
	if err != nil {
		return nil, err
	}
	if err := fit(m, p); err != nil {
		return nil, fmt.Errorf("%q does not fit %q: %w", projector, model, err)
	}
	return m, nil
}

// ReadModel reads a file and checks that it is a language model which llama.cpp loads and computes.
func ReadModel(path string) (*File, error) {
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	if err := f.checkModel(); err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return f, nil
}

func readProjector(path string) (*File, error) {
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	if err := f.checkProjector(); err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return f, nil
}

// checker looks at one thing after the other and keeps the first fault.
type checker struct {
	file *File
	used map[string]bool // tensors that were asked for
	// anyInteger admits integers of other types than llama.cpp's own reader, which takes uint32 alone.
	anyInteger bool
	err        error
}

func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// number reads a count that must be there and lie between low and high.
func (c *checker) number(key string, low, high int64) int64 {
	if c.file.keys[key] == nil {
		c.fail("has no key %q", key)
		return low
	}
	return c.numberOr(key, low, low, high)
}

// numberOr is number for a key that may be absent.
func (c *checker) numberOr(key string, absent, low, high int64) int64 {
	v := c.file.keys[key]
	if v == nil {
		return absent
	}
	n, ok := c.file.Integer(key)
	if !ok || (v.Type != Uint32 && !c.anyInteger) {
		c.fail("key %q is %s, expected a uint32", key, v.describe())
		return low
	}
	if n < low || n > high {
		c.fail("key %q is %d, expected %d to %d", key, n, low, high)
		return low
	}
	return n
}

// positive checks a float, which must be there unless optional.
func (c *checker) positive(key string, optional bool) {
	v := c.file.keys[key]
	if v == nil {
		if !optional {
			c.fail("has no key %q", key)
		}
		return
	}
	n, ok := c.file.Float32(key)
	if !ok {
		c.fail("key %q is %s, expected a float32", key, v.describe())
	} else if !(n > 0) {
		c.fail("key %q is %v, expected more than 0", key, n)
	}
}

// finite refuses keys that are no numbers.
func (c *checker) finite() {
	for _, key := range c.file.order {
		if v := c.file.keys[key]; v.Type == Float32 {
			if n, _ := c.file.Float32(key); math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
				c.fail("key %q is %v", key, n)
			}
		}
	}
}

// role is what a tensor is used for.
type role int

const (
	factor role = iota // of a matrix product
	norm               // multiplied or added value by value
	any32              // read as floats whatever its format
)

// tensor checks a tensor that must be there.
func (c *checker) tensor(name string, role role, dims ...int64) {
	if c.file.Tensor(name) == nil {
		c.fail("has no tensor %q", name)
		return
	}
	c.optional(name, role, dims...)
}

// optional checks a tensor if it is there.
func (c *checker) optional(name string, role role, dims ...int64) {
	t := c.file.Tensor(name)
	if t == nil {
		return
	}
	c.used[name] = true
	for len(dims) > 1 && dims[len(dims)-1] == 1 {
		dims = dims[:len(dims)-1]
	}
	if !slices.Equal(t.shape(), dims) {
		c.fail("tensor %q has the shape %v, expected %v", name, t.shape(), dims)
	}
	switch {
	case role == norm && t.Type != F32:
		c.fail("tensor %q is in %s, expected F32", name, t.Type)
	case !t.Type.format().factor:
		c.fail("tensor %q is in %s, which cannot be computed with", name, t.Type)
	}
}

// allUsed refuses tensors that nothing asked for: llama.cpp does not load a file with more than it knows.
func (c *checker) allUsed() {
	for i := range c.file.Tensors {
		if name := c.file.Tensors[i].Name; !c.used[name] {
			c.fail("has the tensor %q, which this architecture has no use for", name)
			return
		}
	}
}

// fit says why the rows of a projector cannot be fed to a model.
func fit(model, projector *File) error {
	arch, _ := model.Text(keyArchitecture)
	if !visionArchitecture(arch) {
		return fmt.Errorf("the model's architecture is %q, which takes no pictures", arch)
	}
	width, _ := model.Integer(arch + ".embedding_length")
	rows, _ := projector.Integer("clip.vision.projection_dim")
	if width != rows {
		return fmt.Errorf("the projector's rows are %d wide, the model's embeddings %d", rows, width)
	}
	layers, _ := model.Integer(arch + ".n_deepstack_layers")
	taps := int64(0)
	for i := range projector.Tensors {
		if name := projector.Tensors[i].Name; strings.HasPrefix(name, "v.deepstack.") && strings.HasSuffix(name, ".fc1.weight") {
			taps++
		}
	}
	if layers != taps {
		return fmt.Errorf("the projector has %d DeepStack layers, the model's n_deepstack_layers is %d", taps, layers)
	}
	return nil
}
