package remote

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"sync"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// pictures are a request's images and videos as they are sent, written once for all of its answers.
type pictures struct {
	backend  *Backend
	decided  *generation.Decided
	material *generation.Material
	// asVideos says that the servers take videos; otherwise frames are sent as pictures, behind their stamps.
	asVideos bool

	once   sync.Once
	images []string
	videos [][]dialect.Part
	err    error
}

func newPictures(b *Backend, d *generation.Decided, m *generation.Material, asVideos bool) *pictures {
	return &pictures{backend: b, decided: d, material: m, asVideos: asVideos}
}

// decode decodes the videos that are sent as pictures.
func (p *pictures) decode(ctx context.Context) {
	if !p.asVideos {
		p.material.Videos.Decode(ctx)
	}
}

// write brings all into the form in which it is sent. It waits for frames that are still decoded.
func (p *pictures) write(ctx context.Context) error {
	p.once.Do(func() { p.err = p.writeAll(ctx) })
	return p.err
}

func (p *pictures) writeAll(ctx context.Context) error {
	for i := range p.material.Images {
		uri, err := pngURI(&p.material.Images[i], p.material.Images[i].RGB)
		if err != nil {
			return err
		}
		p.images = append(p.images, uri)
	}
	if len(p.decided.Request.Videos) == 0 {
		return nil
	}
	if p.asVideos {
		return p.bringVideos()
	}
	return p.stampFrames(ctx)
}

// stampFrames writes each pair of frames as its stamp and two pictures.
func (p *pictures) stampFrames(ctx context.Context) error {
	pairs := p.material.Videos.Images()
	for _, stamps := range p.material.Videos.Stamps() {
		var parts []dialect.Part
		for _, stamp := range stamps {
			pair := &pairs[0]
			pairs = pairs[1:]
			rgb, err := pair.Bytes(ctx)
			if err != nil {
				return err
			}
			parts = append(parts, dialect.Part{Text: stamp})
			for half := range 2 {
				uri, err := pngURI(pair, rgb[half*len(rgb)/2:(half+1)*len(rgb)/2])
				if err != nil {
					return err
				}
				parts = append(parts, dialect.Part{Image: uri})
			}
		}
		p.videos = append(p.videos, parts)
	}
	return nil
}

// bringVideos takes the videos as they came, to be sent with what is to be shown of them.
func (p *pictures) bringVideos() error {
	uris, err := p.material.Videos.URIs()
	if err != nil {
		return err
	}
	for i, ref := range p.decided.Request.Videos {
		v := &dialect.Video{Options: videoOptions(ref, &p.decided.Request.VideoDefaults)}
		if ref.Frames != nil {
			v.Frames = uris[i]
		} else {
			v.URL = uris[i][0]
		}
		p.videos = append(p.videos, []dialect.Part{{Video: v}})
	}
	return nil
}

// videoOptions are what the request says of how a video is shown, by the names that it has on the wire.
func videoOptions(ref *request.Video, defaults *request.VideoOptions) map[string]any {
	o := ref.Over(*defaults)
	out := map[string]any{}
	for name, v := range map[string]*int{
		request.OptNumFrames: o.NumFrames, request.OptMinFrames: o.MinFrames, request.OptMaxFrames: o.MaxFrames,
		request.OptMinPixels: o.MinPixels, request.OptMaxPixels: o.MaxPixels, request.OptTotalPixels: o.TotalPixels,
	} {
		if v != nil {
			out[name] = *v
		}
	}
	for name, v := range map[string]*float64{request.OptFPS: o.FPS, request.OptStart: o.Start, request.OptEnd: o.End} {
		if v != nil {
			out[name] = *v
		}
	}
	if o.AutoFPS {
		out[request.OptFPS] = "auto"
	}
	if o.Stamps != "" {
		out[request.OptStamps] = string(o.Stamps)
	}
	return out
}

var errPixels = errors.New("a picture has not as many pixels as its size says")

// pngURI writes pixels without loss, so that the server's tower sees what this daemon's would. Their size is one that
// no server resizes.
func pngURI(size *engine.Image, rgb []byte) (string, error) {
	if len(rgb) != 3*size.Width*size.Height {
		return "", errPixels
	}
	img := image.NewRGBA(image.Rect(0, 0, size.Width, size.Height))
	for from, to := 0, 0; from < len(rgb); from, to = from+3, to+4 {
		img.Pix[to], img.Pix[to+1], img.Pix[to+2], img.Pix[to+3] = rgb[from], rgb[from+1], rgb[from+2], 0xff
	}
	var file bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&file, img); err != nil {
		return "", fmt.Errorf("write a picture: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(file.Bytes()), nil
}
