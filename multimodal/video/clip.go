package video

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/multimodal"
)

// clip is a video that ffmpeg reads.
type clip struct {
	tool     *Tool
	file     *File
	format   string // ffmpeg's demuxer
	info     Info
	packets  []packet
	timeBase float64 // seconds
	alpha    bool
	upright  bool // ffmpeg turns the frames as the file says
	seekable bool
	untimed  bool // frames are told apart by counting
}

// Info implements Source.
func (c *clip) Info() *Info { return &c.info }

// Files implements Source.
func (c *clip) Files() ([][]byte, error) {
	data, err := c.file.part(0, c.file.size)
	return [][]byte{data}, err
}

// Close implements Source.
func (c *clip) Close() error { return c.file.Close() }

// newClip checks what ffprobe said: every number in it comes from the file.
func (t *Tool) newClip(f *File, format string, p *probed) (*clip, error) {
	s := &p.stream
	if err := t.checkStream(p); err != nil {
		return nil, err
	}
	c := &clip{
		tool: t, file: f, format: format, packets: p.packets, timeBase: ratio(s.TimeBase),
		alpha: hasAlpha(s.Pixels), upright: true, seekable: format != "gif" && !p.untimed, untimed: p.untimed,
		info: Info{Width: s.Width, Height: s.Height, Frames: len(p.packets)},
	}
	if c.timeBase == 0 {
		return nil, corrupt("The video's frames have no times.")
	}
	for _, d := range s.SideData {
		switch turn := math.Mod(math.Abs(d.Rotation), 180); turn {
		case 0:
		case 90:
			c.info.Width, c.info.Height = s.Height, s.Width
		default:
			c.upright = false // at other angles it could only be shown with corners cut
		}
	}
	c.times(ratio(s.MeanRate))
	if d := c.info.Duration(); d > t.o.Seconds {
		return nil, multimodal.NewError(multimodal.KindTooLong, nil, fmt.Sprintf(
			"The video is %.0f seconds long, %.0f are allowed.", d, t.o.Seconds))
	}
	return c, nil
}

// checkStream refuses files without frames that can be shown.
func (t *Tool) checkStream(p *probed) error {
	s := &p.stream
	if s.Codec == "" {
		return multimodal.NewError(multimodal.KindFormat, nil, "The file has no video in it.")
	}
	// Sides first: their product could overflow.
	if limit := t.o.SourcePixels; s.Width > limit || s.Height > limit || s.Width*s.Height > limit {
		return multimodal.NewError(multimodal.KindTooManyPixels, nil, fmt.Sprintf(
			"The video is %d x %d pixels, %d in all are allowed.", s.Width, s.Height, limit))
	}
	if s.Width <= 0 || s.Height <= 0 {
		return corrupt("The video's size is unknown.")
	}
	if len(p.packets) == 0 {
		return corrupt("The video has no frames.")
	}
	if n, err := strconv.Atoi(s.FrameCount); err == nil && n > p.all {
		return corrupt(fmt.Sprintf("The video has %d frames by its header, but only %d are there; was it sent as a whole?", n, p.all))
	}
	return nil
}

func corrupt(message string) error { return multimodal.NewError(multimodal.KindCorrupt, nil, message) }

// unknownRate is what transformers takes where a video does not say.
const unknownRate = 24

// times finds the rate, and whether frames keep to it. Containers round times (Matroska to a millisecond), which is no
// change of rate: with the exact rate the texts of times come out as transformers'.
func (c *clip) times(header float64) {
	n := len(c.packets)
	seconds := make([]float64, n)
	for i := range c.packets {
		seconds[i] = float64(c.packets[i].time-c.packets[0].time) * c.timeBase
	}
	rate := header
	if last := seconds[n-1]; last > 0 {
		// A header may claim anything.
		if measured := float64(n-1) / last; rate == 0 || math.Abs(rate/measured-1) > 0.1 && math.Abs(float64(n)/last/rate-1) > 0.1 {
			rate = measured
		}
	} else if n > 1 || rate == 0 {
		rate = unknownRate
	}
	c.info.FPS = rate
	tolerance := max(0.002, c.timeBase)
	for i, at := range seconds {
		if math.Abs(at-float64(i)/rate) > tolerance {
			c.info.Times = seconds
			return
		}
	}
}

func hasAlpha(pixels string) bool {
	return slices.ContainsFunc([]string{"yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "pal8"}, func(prefix string) bool {
		return strings.HasPrefix(pixels, prefix)
	})
}
