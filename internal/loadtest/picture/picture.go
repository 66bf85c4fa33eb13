// Package picture draws pictures and films for questions: the same ones for the same seed, other ones for another.
//
// It must not read files, and it does not know who is asked about a picture.
package picture

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
)

// Kind is what a picture shows.
type Kind string

// Kinds of pictures. Tiles are flat and compress well, noise does not compress at all: a server's cost is the same but
// for reading the file.
const (
	Tiles Kind = "tiles"
	Noise Kind = "noise"
)

// tile is the width and height of a flat tile in pixels.
const tile = 32

// Draw is a PNG of so many pixels.
func Draw(kind Kind, width, height int, seed uint64) ([]byte, error) {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	switch kind {
	case Tiles:
		paintTiles(m, rand.New(rand.NewPCG(seed, 1)))
	case Noise:
		rng := rand.New(rand.NewPCG(seed, 2))
		for i := range m.Pix {
			m.Pix[i] = byte(rng.Uint32())
		}
		for i := 3; i < len(m.Pix); i += 4 {
			m.Pix[i] = 255
		}
	default:
		return nil, fmt.Errorf("there is no picture of %q: it is %s or %s", kind, Tiles, Noise)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		return nil, fmt.Errorf("write the picture: %w", err)
	}
	return out.Bytes(), nil
}

func paintTiles(m *image.NRGBA, rng *rand.Rand) {
	columns := (m.Rect.Dx() + tile - 1) / tile
	colours := make([]color.NRGBA, columns*((m.Rect.Dy()+tile-1)/tile))
	for i := range colours {
		bits := rng.Uint32()
		colours[i] = color.NRGBA{R: byte(bits), G: byte(bits >> 8), B: byte(bits >> 16), A: 255}
	}
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			m.SetNRGBA(x, y, colours[y/tile*columns+x/tile])
		}
	}
}

// DataURI is data as a URI of its own.
func DataURI(mediaType string, data []byte) string {
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(data)
}
