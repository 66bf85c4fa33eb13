package video

import (
	"context"
	"fmt"
	"sync"

	"github.com/qwenvld/qwenvld/multimodal"
)

// Pictures gathers the frames of a video that is sent as pictures. They wait on disk, so that many of them do not fill
// the memory.
type Pictures struct {
	most  int64 // bytes in all
	mu    sync.Mutex
	file  *File
	parts []picture
}

// picture is where one lies and what its header says.
type picture struct {
	offset, size  int64
	width, height int
}

// NewPictures has room for so many pictures of together at most `most` bytes. The caller must Close it or give it to
// NewList.
func NewPictures(disk *Disk, count int, most int64) (*Pictures, error) {
	f, err := disk.NewFile()
	if err != nil {
		return nil, err
	}
	return &Pictures{most: most, file: f, parts: make([]picture, count)}, nil
}

// Put keeps picture i, in any format that multimodal.Decode reads. It is safe for concurrent use.
func (p *Pictures) Put(i int, data []byte) error {
	w, h, _, err := multimodal.DecodeSize(data)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.file.Size()
	if at+int64(len(data)) > p.most {
		return multimodal.NewError(multimodal.KindTooManyBytes, nil, fmt.Sprintf(
			"The frames of the video have more than the %d bytes that are allowed.", p.most))
	}
	if _, err := p.file.Write(data); err != nil {
		return err
	}
	p.parts[i] = picture{offset: at, size: int64(len(data)), width: w, height: h}
	return nil
}

// Close gives the disk back.
func (p *Pictures) Close() error { return p.file.Close() }

// pictureList is a video that was sent as pictures.
type pictureList struct {
	info     Info
	pictures *Pictures
	images   *multimodal.Decoder
}

// NewList makes a Source of pictures taken fps times a second, which it then owns. They must have one size; faulty is
// the index of a picture that has another one.
func NewList(p *Pictures, fps float64, images *multimodal.Decoder) (src Source, faulty int, err error) {
	first := p.parts[0]
	for i, part := range p.parts {
		if part.width != first.width || part.height != first.height {
			return nil, i, multimodal.NewError(multimodal.KindSelection, nil, fmt.Sprintf(
				"The frames of a video have one size; this one is %d x %d pixels, the first one %d x %d.",
				part.width, part.height, first.width, first.height))
		}
	}
	info := Info{Frames: len(p.parts), FPS: fps, Width: first.width, Height: first.height}
	return &pictureList{info: info, pictures: p, images: images}, 0, nil
}

// Info implements Source.
func (l *pictureList) Info() *Info { return &l.info }

// Reach implements Source.
func (*pictureList) Reach(indices []int) []int { return indices }

// Read implements Source.
func (l *pictureList) Read(ctx context.Context, indices []int, frame func(n int, img *multimodal.Image) error) error {
	return l.readSized(ctx, indices, 0, 0, frame)
}

// readSized implements sized.
func (l *pictureList) readSized(
	ctx context.Context, indices []int, width, height int, frame func(n int, img *multimodal.Image) error,
) error {
	for n, i := range indices {
		part := l.pictures.parts[i]
		data, err := l.pictures.file.part(part.offset, part.size)
		if err != nil {
			return err
		}
		img, err := l.images.Decode(ctx, data, width, height)
		if err != nil {
			return err
		}
		if err := frame(n, img); err != nil {
			return err
		}
	}
	return nil
}

// Files implements Source.
func (l *pictureList) Files() ([][]byte, error) {
	out := make([][]byte, len(l.pictures.parts))
	for i, part := range l.pictures.parts {
		var err error
		if out[i], err = l.pictures.file.part(part.offset, part.size); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Close implements Source.
func (l *pictureList) Close() error { return l.pictures.Close() }
