package schedule

import "slices"

// Encodes decides whose image is encoded next. Images come in when their pixels have: a video that is still being
// decoded holds up nobody. A sequence has one image in at a time, so that requests with many images alternate with
// others. One goroutine at a time uses it.
type Encodes[T comparable] struct {
	waiting []T
	running bool
}

// Add has an image wait for the encoder.
func (e *Encodes[T]) Add(image T) { e.waiting = append(e.waiting, image) }

// Drop takes out an image that nobody waits for any more, and reports whether it waited. Where it did not, it had the
// encoder.
func (e *Encodes[T]) Drop(image T) (waited bool) {
	i := slices.Index(e.waiting, image)
	if i < 0 {
		return false
	}
	e.waiting = slices.Delete(e.waiting, i, i+1)
	return true
}

// Next gives the encoder to the image that has waited longest. There is none while another one has it.
func (e *Encodes[T]) Next() (image T, ok bool) {
	if e.running || len(e.waiting) == 0 {
		return image, false
	}
	image, e.waiting, e.running = e.waiting[0], e.waiting[1:], true
	return image, true
}

// Done takes the encoder back from the image that Next gave it to.
func (e *Encodes[T]) Done() { e.running = false }
