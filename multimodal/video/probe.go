package video

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/multimodal"
)

// demuxer names ffmpeg's demuxer for a file's first bytes: it is told, not left to guess, so that a playlist under
// another name is not read as one. Empty means no container that is read.
func demuxer(head []byte) string {
	at := func(offset int, magic string) bool {
		return len(head) >= offset+len(magic) && string(head[offset:offset+len(magic)]) == magic
	}
	switch {
	case at(0, "\x1a\x45\xdf\xa3"):
		return "matroska"
	case at(0, "RIFF") && at(8, "AVI "):
		return "avi"
	case at(0, "GIF87a"), at(0, "GIF89a"):
		return "gif"
	}
	for _, box := range []string{"ftyp", "moov", "mdat", "free", "skip", "wide", "pnot"} {
		if at(4, box) {
			return "mov"
		}
	}
	return ""
}

// guards are the options that keep a child from opening anything but its input.
func guards(format string) []string {
	return []string{
		"-protocol_whitelist", "file", "-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif", "-f", format,
	}
}

// streamInfo is what ffprobe says of a stream.
type streamInfo struct {
	Codec      string `json:"codec_name"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
	Pixels     string `json:"pix_fmt"`
	MeanRate   string `json:"avg_frame_rate"`
	TimeBase   string `json:"time_base"`
	FrameCount string `json:"nb_frames"`
	SideData   []struct {
		Rotation float64 `json:"rotation"`
	} `json:"side_data_list"`
}

// packet is one coded frame.
type packet struct {
	time int64 // in units of the stream's time base
	key  bool
}

// probed is ffprobe's report.
type probed struct {
	stream  streamInfo
	packets []packet // that are shown, in the order of their times
	all     int      // packets, also those that are not shown
	untimed bool     // packets have no times of presentation
}

var errTooManyPackets = errors.New("too many packets")

// parseProbe reads ffprobe's JSON. A report of more than most packets is errTooManyPackets.
func parseProbe(r io.Reader, most int) (*probed, error) {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("ffprobe: no object: %w", err)
	}
	out := &probed{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("ffprobe: %w", err)
		}
		switch key {
		case "packets":
			err = out.readPackets(dec, most)
		case "streams":
			var streams []streamInfo
			if err = dec.Decode(&streams); err == nil && len(streams) > 0 {
				out.stream = streams[0]
			}
		default:
			var skipped json.RawMessage
			err = dec.Decode(&skipped)
		}
		if err != nil {
			return nil, fmt.Errorf("ffprobe: %w", err)
		}
	}
	// The end of the object tells a whole report from one cut short.
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("ffprobe: %w", err)
	}
	slices.SortStableFunc(out.packets, func(a, b packet) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
	// Fields of one picture share its time.
	out.packets = slices.CompactFunc(out.packets, func(a, b packet) bool { return a.time == b.time })
	return out, nil
}

func (p *probed) readPackets(dec *json.Decoder, most int) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("no list of packets: %w", err)
	}
	for dec.More() {
		var in struct {
			PTS   *int64 `json:"pts"`
			DTS   *int64 `json:"dts"`
			Flags string `json:"flags"`
		}
		if err := dec.Decode(&in); err != nil {
			return err
		}
		if p.all++; p.all > most {
			return errTooManyPackets
		}
		if in.PTS == nil {
			p.untimed = true
			in.PTS = in.DTS
		}
		// D is for packets that an edit list leaves out.
		if in.PTS != nil && !strings.Contains(in.Flags, "D") {
			p.packets = append(p.packets, packet{time: *in.PTS, key: strings.HasPrefix(in.Flags, "K")})
		}
	}
	_, err := dec.Token()
	return err
}

// ratio reads "30000/1001"; 0 where it is no positive number.
func ratio(s string) float64 {
	a, b, _ := strings.Cut(s, "/")
	num, err1 := strconv.ParseFloat(a, 64)
	den, err2 := strconv.ParseFloat(b, 64)
	if v := num / den; err1 == nil && err2 == nil && v > 0 && !math.IsInf(v, 0) {
		return v
	}
	return 0
}

// Open probes a video, which the Source then owns; f is closed if Open fails. Errors are *multimodal.Error where the
// file is at fault.
func (t *Tool) Open(ctx context.Context, f *File) (_ Source, err error) {
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	head, err := f.head(32)
	if err != nil {
		return nil, err
	}
	format := demuxer(head)
	if multimodal.IsWebP(head) {
		return t.openAnimation(f)
	}
	if format == "" {
		return nil, multimodal.NewError(multimodal.KindFormat, nil,
			"This is not a video in a known format (MP4, MOV, Matroska, WebM, AVI, GIF or animated WebP).")
	}
	if err := t.Missing(); err != nil {
		return nil, err
	}
	if err := t.acquire(ctx); err != nil {
		return nil, err
	}
	defer t.slots.Release(1)
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.o.ProbeTimeout, multimodal.NewError(multimodal.KindDecodeTime, nil,
		"The video takes too long to read."))
	defer cancel()
	var report *probed
	truncated := false
	args := append([]string{"-v", "error", "-hide_banner"}, guards(format)...)
	args = append(args, "-select_streams", "V:0", "-show_entries",
		"packet=pts,dts,flags:stream=codec_name,width,height,pix_fmt,avg_frame_rate,time_base,nb_frames:stream_side_data=rotation",
		"-of", "json=compact=1", "-i", inputPath)
	err = t.run(ctx, job{
		program: t.o.FFprobe, args: args, input: f.f,
		stdout: func(r io.Reader) error {
			var err error
			report, err = parseProbe(bufio.NewReaderSize(r, 1<<16), t.o.SourceFrames)
			return err
		},
		stderr: func(line string) {
			if strings.Contains(line, "ended prematurely") || strings.Contains(line, "partial file") {
				truncated = true
			}
		},
	})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, errTooManyPackets):
		return nil, multimodal.NewError(multimodal.KindTooLong, err, fmt.Sprintf(
			"The video has more than the %d frames that are allowed.", t.o.SourceFrames))
	case err != nil:
		return nil, multimodal.NewError(multimodal.KindCorrupt, err, "The video cannot be read; it is damaged or of an unusual kind.")
	case truncated:
		return nil, multimodal.NewError(multimodal.KindCorrupt, nil, "The video's end is missing; was it sent as a whole?")
	}
	c, err := t.newClip(f, format, report)
	if err != nil {
		return nil, err // not a nil clip, which as a Source is not nil
	}
	return c, nil
}
