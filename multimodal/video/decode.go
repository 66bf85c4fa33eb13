package video

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/multimodal"
)

// Read implements Source.
func (c *clip) Read(ctx context.Context, wanted []int, frame func(n int, img *multimodal.Image) error) error {
	if err := c.tool.acquire(ctx); err != nil {
		return err
	}
	defer c.tool.slots.Release(1)
	ctx, cancel := context.WithTimeoutCause(ctx, c.tool.o.DecodeTimeout, multimodal.NewError(multimodal.KindDecodeTime, nil,
		"Decoding the video takes too long; ask for a part of it with video_start and video_end, or send a smaller one."))
	defer cancel()
	for _, s := range c.segments(wanted) {
		err := c.readSegment(ctx, s, wanted, frame)
		if errors.Is(err, errOvershot) {
			// The container's index is wrong. From the beginning every frame is passed.
			s.seek = false
			err = c.readSegment(ctx, s, wanted, frame)
		}
		var exit *exitError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &exit), errors.Is(err, errMissing):
			return multimodal.NewError(multimodal.KindCorrupt, err, "The video cannot be decoded; it is damaged or of an unusual kind.")
		case err != nil:
			return err
		}
	}
	return nil
}

var (
	// errOvershot is a seek that ended behind the first frame wanted.
	errOvershot = errors.New("sought too far")
	// errMissing is a video that ends before the last frame wanted.
	errMissing = errors.New("frames are missing")
)

// readSegment runs one child.
func (c *clip) readSegment(ctx context.Context, s segment, wanted []int, frame func(n int, img *multimodal.Image) error) error {
	r := &frameReader{clip: c, segment: s, wanted: wanted, frame: frame, times: make(chan int64, s.to-s.from+16), done: ctx.Done()}
	err := c.tool.run(ctx, job{
		program: c.tool.o.FFmpeg, args: c.arguments(s, wanted), input: c.file.f, stdout: r.read, stderr: r.noteTime,
	})
	if err == nil && r.next < s.to {
		err = errMissing
	}
	return err
}

// arguments are ffmpeg's: pick the first frame at or behind the time of each one wanted, whatever a seek or a lost
// frame does to counting, say its time (showinfo), and write it as raw pixels of a size that is known beforehand.
func (c *clip) arguments(s segment, wanted []int) []string {
	args := []string{
		"-nostdin", "-hide_banner", "-v", "info", "-nostats", "-threads", strconv.Itoa(c.tool.threads), "-copyts", "-noaccurate_seek",
	}
	if !c.upright {
		args = append(args, "-noautorotate")
	}
	if s.keysOnly {
		args = append(args, "-skip_frame", "nokey", "-discard", "nokey")
	}
	if s.seek {
		args = append(args, "-seek_timestamp", "1", "-ss", c.seekTime(wanted[s.from]))
	}
	args = append(args, guards(c.format)...)
	pixels := "rgb24"
	if c.alpha {
		pixels = "rgba"
	}
	filters := fmt.Sprintf("select='%s',showinfo=checksum=0,scale=%d:%d:flags=bicubic",
		c.pick(wanted[s.from:s.to]), c.info.Width, c.info.Height)
	// Neither the encoder's threads nor the muxer's buffer may hold back a frame: the last one would come when all else
	// is decoded.
	return append(args, "-i", inputPath, "-map", "0:V:0", "-an", "-sn", "-dn", "-vf", filters,
		c.tool.known.Load().sync, "passthrough", "-pix_fmt", pixels, "-threads", "1", "-flush_packets", "1", "-f", "rawvideo", "-")
}

// pick is an expression of ffmpeg's that is 1 for the frames wanted, as a binary search: one of a hundred terms would
// not be parsed. Where packets have no times, decoded frames have none to be relied on either; such videos are never
// sought in, so frames count.
func (c *clip) pick(wanted []int) string {
	if len(wanted) == 0 {
		return "0"
	}
	middle := len(wanted) / 2
	w := wanted[middle]
	from, to := middle, middle+1
	for from > 0 && wanted[from-1] == w {
		from--
	}
	for to < len(wanted) && wanted[to] == w {
		to++
	}
	before, after := c.pick(wanted[:from]), c.pick(wanted[to:])
	if c.untimed {
		return fmt.Sprintf("if(lt(n,%d),%s,if(gt(n,%d),%s,1))", w, before, w, after)
	}
	t := c.packets[w].time
	// Of the first frame there is no earlier time, and a comparison with none is false.
	return fmt.Sprintf("if(lt(pts,%d),%s,if(gte(prev_pts,%d),%s,1))", t, before, t, after)
}

// seekTime is where to seek for frame w. ffmpeg goes a little further back than it is told, for reordered frames; told
// a time well behind the key frame, it does not land on the one before.
func (c *clip) seekTime(w int) string {
	const margin = 0.15 // seconds
	at := func(i int) float64 { return float64(c.packets[i].time) * c.timeBase }
	key := c.keyBefore(w)
	t := max(at(w), at(key)+margin)
	for i := w + 1; i < len(c.packets) && at(i) <= t; i++ {
		if c.packets[i].key {
			t = at(w)
			break
		}
	}
	return strconv.FormatFloat(t, 'f', 6, 64)
}

// frameReader takes a child's frames apart and gives them to those that want them.
type frameReader struct {
	clip    *clip
	segment segment
	wanted  []int
	frame   func(n int, img *multimodal.Image) error
	// times of the frames in the output, in the stream's time base; a line comes before its frame.
	times chan int64
	done  <-chan struct{} // closed when the reading is given up
	next  int             // of wanted
}

// noteTime takes a frame's time from what showinfo says.
func (r *frameReader) noteTime(line string) {
	if t, ok := parseShowinfo(line); ok {
		select {
		case r.times <- t:
		default: // more than were asked for
		}
	}
}

// parseShowinfo reads "[Parsed_showinfo_1 @ 0x5581] n:   0 pts:  34816 pts_time:2.26667 ...".
func parseShowinfo(line string) (int64, bool) {
	if !strings.HasPrefix(line, "[Parsed_showinfo_") {
		return 0, false
	}
	_, rest, found := strings.Cut(line, " pts:")
	if !found {
		return 0, false
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, false
	}
	t, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t = math.MinInt64 // NOPTS: nobody wants it, but it is a frame in the output
	}
	return t, true
}

func (r *frameReader) read(out io.Reader) error {
	c := r.clip
	r.next = r.segment.from
	img := &multimodal.Image{Width: c.info.Width, Height: c.info.Height, RGB: make([]byte, 3*c.info.Width*c.info.Height)}
	raw := img.RGB
	if c.alpha {
		raw = make([]byte, 4*c.info.Width*c.info.Height)
	}
	shown := false
	for r.next < r.segment.to {
		if _, err := io.ReadFull(out, raw); err != nil {
			return r.end(img, shown)
		}
		var at int64
		select {
		case at = <-r.times:
		case <-r.done:
			return errMissing
		}
		if c.alpha {
			multimodal.FlattenRGBA(img.RGB, raw)
		}
		first := c.packets[r.wanted[r.next]].time
		if c.untimed {
			at = first
		}
		if !shown && r.segment.seek && at > first {
			return errOvershot
		}
		shown = true
		for r.next < r.segment.to && c.packets[r.wanted[r.next]].time <= at {
			if err := r.frame(r.next, img); err != nil {
				return err
			}
			r.next++
		}
	}
	return errEnough
}

// end is what to do when the frames are over too early. Codecs have packets that show nothing, so the very last frames
// may not be there; what is missing otherwise is an error.
func (r *frameReader) end(img *multimodal.Image, shown bool) error {
	const hidden = 3
	for ; shown && r.next < r.segment.to; r.next++ {
		if r.wanted[r.next] < len(r.clip.packets)-hidden {
			return errMissing
		}
		if err := r.frame(r.next, img); err != nil {
			return err
		}
	}
	if r.next < r.segment.to {
		return errMissing
	}
	return nil
}
