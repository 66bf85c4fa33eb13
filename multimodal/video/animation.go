package video

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"io"

	"golang.org/x/image/webp"

	"github.com/qwenvld/qwenvld/multimodal"
)

// animation is an animated WebP, which ffmpeg does not read. Its frames are patches of a canvas, which is laid over white as images
// are; the colour that a file names for its ground is ignored, as browsers do.
type animation struct {
	tool   *Tool
	info   Info
	frames []animationFrame
}

// animationFrame is an ANMF chunk.
type animationFrame struct {
	area    image.Rectangle
	millis  int
	replace bool   // do not blend with what is below
	dispose bool   // clear the area afterwards
	data    []byte // a WebP file of its own
}

// isAnimation reports whether a file begins as a WebP; that it moves is found when it is read.
func isAnimation(head []byte) bool {
	return len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP"
}

var errAnimation = errors.New("malformed WebP")

// animationBytes bounds a file, as it is held in memory.
const animationBytes = 64 << 20

// openAnimation reads the file's chunks; pixels are left alone. f is the Source's own.
func (t *Tool) openAnimation(f *File) (Source, error) {
	o := &t.o
	if f.size > animationBytes {
		return nil, multimodal.NewError(multimodal.KindTooManyBytes, nil, fmt.Sprintf(
			"The WebP animation has %d bytes, %d are allowed; other formats may be larger.", f.size, animationBytes))
	}
	data, err := io.ReadAll(io.NewSectionReader(f.f, 0, f.size))
	if err != nil {
		return nil, fmt.Errorf("read a video: %w", err)
	}
	a, err := parseAnimation(data)
	switch {
	case err != nil:
		return nil, multimodal.NewError(multimodal.KindCorrupt, err, "The WebP animation cannot be read; it is damaged.")
	case len(a.frames) == 0:
		return nil, multimodal.NewError(multimodal.KindSelection, nil, "The WebP has no animation; send it as an image.")
	case a.info.Width*a.info.Height > o.SourcePixels:
		return nil, multimodal.NewError(multimodal.KindTooManyPixels, nil, fmt.Sprintf(
			"The animation is %d x %d pixels, %d in all are allowed.", a.info.Width, a.info.Height, o.SourcePixels))
	case len(a.frames) > o.SourceFrames, a.info.Duration() > o.Seconds:
		return nil, multimodal.NewError(multimodal.KindTooLong, nil, "The animation is longer than is allowed.")
	}
	a.tool = t
	return a, f.Close()
}

// parseAnimation takes the container apart (RFC 9649).
func parseAnimation(data []byte) (*animation, error) {
	a := &animation{}
	if !isAnimation(data) {
		return nil, errAnimation
	}
	err := eachChunk(data[12:], func(name string, body []byte) error {
		switch name {
		case "VP8X":
			if len(body) < 10 {
				return errAnimation
			}
			a.info.Width, a.info.Height = 1+uint24(body[4:]), 1+uint24(body[7:])
		case "ANMF":
			frame, err := parseFrame(body)
			if err != nil {
				return err
			}
			if !frame.area.In(image.Rect(0, 0, a.info.Width, a.info.Height)) {
				return errAnimation
			}
			a.frames = append(a.frames, frame)
		}
		return nil
	})
	if err != nil || len(a.frames) == 0 {
		return a, err
	}
	a.times()
	return a, nil
}

// times lays the frames out one after the other.
func (a *animation) times() {
	at, constant := 0, true
	times := make([]float64, len(a.frames))
	for i := range a.frames {
		times[i] = float64(at) / 1000
		constant = constant && a.frames[i].millis == a.frames[0].millis
		at += max(a.frames[i].millis, 1)
	}
	a.info.Frames = len(a.frames)
	a.info.FPS = float64(len(a.frames)) * 1000 / float64(at)
	if !constant {
		a.info.Times = times
	}
}

// eachChunk calls do for each RIFF chunk.
func eachChunk(data []byte, do func(name string, body []byte) error) error {
	for len(data) >= 8 {
		name, size := string(data[:4]), int64(binary.LittleEndian.Uint32(data[4:]))
		data = data[8:]
		if size > int64(len(data)) {
			return errAnimation
		}
		if err := do(name, data[:size]); err != nil {
			return err
		}
		data = data[min(size+size&1, int64(len(data))):]
	}
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// parseFrame makes a still WebP file of an ANMF chunk.
func parseFrame(body []byte) (f animationFrame, err error) {
	const header = 16
	if len(body) < header {
		return f, errAnimation
	}
	x, y := 2*uint24(body), 2*uint24(body[3:])
	w, h := 1+uint24(body[6:]), 1+uint24(body[9:])
	f = animationFrame{
		area: image.Rect(x, y, x+w, y+h), millis: uint24(body[12:]), replace: body[15]&2 != 0, dispose: body[15]&1 != 0,
	}
	var chunks bytes.Buffer
	alpha := false
	err = eachChunk(body[header:], func(name string, body []byte) error {
		if name != "ALPH" && name != "VP8 " && name != "VP8L" {
			return nil
		}
		alpha = alpha || name == "ALPH"
		chunk(&chunks, name, body)
		return nil
	})
	if err != nil {
		return f, err
	}
	var file bytes.Buffer
	file.WriteString("WEBP")
	if alpha {
		const hasAlpha = 0x10
		chunk(&file, "VP8X", []byte{hasAlpha, 0, 0, 0, body[6], body[7], body[8], body[9], body[10], body[11]})
	}
	file.Write(chunks.Bytes())
	var whole bytes.Buffer
	chunk(&whole, "RIFF", file.Bytes())
	f.data = whole.Bytes()
	return f, nil
}

func chunk(out *bytes.Buffer, name string, body []byte) {
	out.WriteString(name)
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(body)))
	out.Write(size[:])
	out.Write(body)
	if len(body)%2 == 1 {
		out.WriteByte(0)
	}
}

// Info implements Source.
func (a *animation) Info() *Info { return &a.info }

// Reach implements Source.
func (*animation) Reach(indices []int) []int { return indices }

// Close implements Source.
func (a *animation) Close() error {
	a.frames = nil
	return nil
}

// Read implements Source. Every frame up to the last one wanted is drawn, as each changes the canvas only in part.
func (a *animation) Read(ctx context.Context, indices []int, frame func(n int, img *multimodal.Image) error) error {
	// A canvas takes as much as a child.
	if err := a.tool.slots.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer a.tool.slots.Release(1)
	canvas := image.NewNRGBA(image.Rect(0, 0, a.info.Width, a.info.Height))
	out := &multimodal.Image{Width: a.info.Width, Height: a.info.Height, RGB: make([]byte, 3*a.info.Width*a.info.Height)}
	next := 0
	for i := range a.frames {
		if next == len(indices) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		f := &a.frames[i]
		if err := f.draw(canvas); err != nil {
			return multimodal.NewError(multimodal.KindCorrupt, err, "A frame of the WebP animation cannot be decoded.")
		}
		if indices[next] == i {
			multimodal.FlattenRGBA(out.RGB, canvas.Pix)
		}
		for ; next < len(indices) && indices[next] == i; next++ {
			if err := frame(next, out); err != nil {
				return err
			}
		}
		if f.dispose {
			draw.Draw(canvas, f.area, image.Transparent, image.Point{}, draw.Src)
		}
	}
	return nil
}

// draw decodes the frame onto the canvas. Decoders are fed by strangers, so a panic is an error.
func (f *animationFrame) draw(canvas *image.NRGBA) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoder panicked: %v", p)
		}
	}()
	// The header first: what it promises is allocated before anything is decoded.
	c, err := webp.DecodeConfig(bytes.NewReader(f.data))
	if err != nil {
		return err
	}
	if c.Width != f.area.Dx() || c.Height != f.area.Dy() {
		return errAnimation
	}
	img, err := webp.Decode(bytes.NewReader(f.data))
	if err != nil {
		return err
	}
	op := draw.Over
	if f.replace {
		op = draw.Src
	}
	draw.Draw(canvas, f.area, img, img.Bounds().Min, op)
	return nil
}
