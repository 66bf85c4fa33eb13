package llama

// #include "rope.h"
import "C"

// AllRotated are the sections of interleaved MRoPE with which the kernels of cards rotate every one of so many pairs of
// values. LoadModel sets them where a card holds layers.
func AllRotated(sections [4]int32, pairs int) [4]int32 {
	var c [4]C.int32_t
	for i, s := range sections {
		c[i] = C.int32_t(s)
	}
	C.qv_rotate_all_sections(&c[0], C.int32_t(pairs))
	return [4]int32{int32(c[0]), int32(c[1]), int32(c[2]), int32(c[3])}
}

// Rotate turns a head of values by each position with the rope kernel of a device, so that it can be compared with
// exact arithmetic. It returns one rotated copy of the head a position.
func Rotate(device string, head []float32, positions []Position, sections [4]int32, base float32) ([]float32, error) {
	dev, err := deviceByName(device)
	if err != nil {
		return nil, err
	}
	n, width := len(positions), len(head)
	values := make([]float32, 0, n*width)
	streams := make([]C.int32_t, positionStreams*n)
	for i, p := range positions {
		values = append(values, head...)
		streams[i], streams[n+i], streams[2*n+i] = C.int32_t(p.T), C.int32_t(p.H), C.int32_t(p.W)
	}
	var axes [4]C.int32_t
	for i, s := range sections {
		axes[i] = C.int32_t(s)
	}
	out := make([]float32, n*width)
	if !C.qv_rotate(dev, (*C.float)(&values[0]), C.int32_t(width), C.int32_t(n), &streams[0], &axes[0], C.float(base),
		(*C.float)(&out[0])) {
		return nil, &Error{Op: "rotate", Detail: device + " cannot"}
	}
	return out, nil
}
