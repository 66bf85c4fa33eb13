package multimodal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"

	"golang.org/x/image/webp"
)

// Animation is an animated WebP taken apart (RFC 9649); pixels are left alone. Its frames are patches of a canvas.
type Animation struct {
	Width, Height int
	Frames        []AnimationFrame
}

// AnimationFrame is an ANMF chunk.
type AnimationFrame struct {
	Area    image.Rectangle
	Millis  int
	replace bool // do not blend with what is below
	dispose bool // clear the area afterwards
	chunks  []byte
}

// ErrAnimation is why ParseAnimation fails.
var ErrAnimation = errors.New("malformed WebP")

const (
	riffHeader  = 12
	frameHeader = 16
)

// IsWebP reports whether a file begins as a WebP; that it moves is found when it is read.
func IsWebP(head []byte) bool {
	return len(head) >= riffHeader && string(head[:4]) == "RIFF" && string(head[8:riffHeader]) == "WEBP"
}

// ParseAnimation takes the container apart, keeping parts of data. A still WebP has no frames.
func ParseAnimation(data []byte) (*Animation, error) {
	a := &Animation{}
	if !IsWebP(data) {
		return nil, ErrAnimation
	}
	err := eachChunk(data[riffHeader:], func(name string, body []byte) error {
		switch name {
		case "VP8X":
			if len(body) < 10 {
				return ErrAnimation
			}
			a.Width, a.Height = 1+uint24(body[4:]), 1+uint24(body[7:])
		case "ANMF":
			if len(body) < frameHeader {
				return ErrAnimation
			}
			x, y := 2*uint24(body), 2*uint24(body[3:])
			frame := AnimationFrame{
				Area:   image.Rect(x, y, x+1+uint24(body[6:]), y+1+uint24(body[9:])),
				Millis: uint24(body[12:]), replace: body[15]&2 != 0, dispose: body[15]&1 != 0, chunks: body[frameHeader:],
			}
			if !frame.Area.In(image.Rect(0, 0, a.Width, a.Height)) {
				return ErrAnimation
			}
			a.Frames = append(a.Frames, frame)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// eachChunk calls do for each RIFF chunk.
func eachChunk(data []byte, do func(name string, body []byte) error) error {
	for len(data) >= 8 {
		name, size := string(data[:4]), int64(binary.LittleEndian.Uint32(data[4:]))
		data = data[8:]
		if size > int64(len(data)) {
			return ErrAnimation
		}
		if err := do(name, data[:size]); err != nil {
			return err
		}
		data = data[min(size+size&1, int64(len(data))):]
	}
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// still makes a WebP file of the frame.
func (f *AnimationFrame) still() ([]byte, error) {
	var chunks bytes.Buffer
	alpha := false
	err := eachChunk(f.chunks, func(name string, body []byte) error {
		if name != "ALPH" && name != "VP8 " && name != "VP8L" {
			return nil
		}
		alpha = alpha || name == "ALPH"
		appendChunk(&chunks, name, body)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	file.WriteString("WEBP")
	if alpha {
		const hasAlpha = 0x10
		w, h := f.Area.Dx()-1, f.Area.Dy()-1
		appendChunk(&file, "VP8X", []byte{hasAlpha, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)})
	}
	file.Write(chunks.Bytes())
	var whole bytes.Buffer
	appendChunk(&whole, "RIFF", file.Bytes())
	return whole.Bytes(), nil
}

func appendChunk(out *bytes.Buffer, name string, body []byte) {
	out.WriteString(name)
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(body)))
	out.Write(size[:])
	out.Write(body)
	if len(body)%2 == 1 {
		out.WriteByte(0)
	}
}

// draw decodes the frame onto the canvas, which has the animation's size. It ends soon after ctx is done.
func (f *AnimationFrame) draw(ctx context.Context, canvas *image.NRGBA) error {
	data, err := f.still()
	if err != nil {
		return err
	}
	// The header first: what it promises is allocated before anything is decoded.
	c, err := guarded(func() (image.Config, error) { return webp.DecodeConfig(bytes.NewReader(data)) })
	if err != nil {
		return err
	}
	if c.Width != f.Area.Dx() || c.Height != f.Area.Dy() {
		return ErrAnimation
	}
	img, err := guarded(func() (image.Image, error) { return webp.Decode(interruptible(ctx, bytes.NewReader(data))) })
	if err != nil {
		return err
	}
	op := draw.Over
	if f.replace {
		op = draw.Src
	}
	draw.Draw(canvas, f.Area, img, img.Bounds().Min, op)
	return nil
}

// read draws every frame up to the last one wanted, as each changes the canvas only in part. The image is only valid
// during the call.
func (a *Animation) read(ctx context.Context, indices []int, frame func(n int, img *Image) error) error {
	canvas := image.NewNRGBA(image.Rect(0, 0, a.Width, a.Height))
	out := &Image{Width: a.Width, Height: a.Height, RGB: make([]byte, channels*a.Width*a.Height)}
	next := 0
	for i := range a.Frames {
		if next == len(indices) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f := &a.Frames[i]
		if err := f.draw(ctx, canvas); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fault(KindCorrupt, err, "A frame of the WebP animation cannot be decoded.")
		}
		if indices[next] == i {
			alphaRow(out.RGB, canvas.Pix, 1)
		}
		for ; next < len(indices) && indices[next] == i; next++ {
			if err := frame(next, out); err != nil {
				return err
			}
		}
		if f.dispose {
			draw.Draw(canvas, f.Area, image.Transparent, image.Point{}, draw.Src)
		}
	}
	return nil
}

// decodeWebP decodes a still, or the first frame of an animation on its canvas.
func decodeWebP(ctx context.Context, data []byte) (image.Image, error) {
	const flagsAt, animated = 20, 2
	if len(data) <= flagsAt || string(data[riffHeader:riffHeader+4]) != "VP8X" || data[flagsAt]&animated == 0 {
		return webp.Decode(interruptible(ctx, bytes.NewReader(data)))
	}
	a, err := ParseAnimation(data)
	if err != nil {
		return nil, err
	}
	if len(a.Frames) == 0 {
		return nil, ErrAnimation
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, a.Width, a.Height))
	return canvas, a.Frames[0].draw(ctx, canvas)
}
