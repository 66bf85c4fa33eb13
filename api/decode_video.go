package api

import (
	"math"

	"github.com/qwenvld/qwenvld/multimodal/video"
)

// videoRef is a video to bring in: one file, or a list of frames.
type videoRef struct {
	// Index is its place in chatRequest.Videos.
	Index int
	// Path locates the URL in the request, for errors.
	Path string
	URL  string
	// Frames are pictures in their order; URL is empty.
	Frames []imageRef
	videoOptions
}

// videoOptions are what a client says about how videos are shown; nil is what the server does by itself.
type videoOptions struct {
	FPS *float64
	// AutoFPS lowers the rate as far as the context asks for.
	AutoFPS                                                            bool
	NumFrames, MinFrames, MaxFrames, MinPixels, MaxPixels, TotalPixels *int
	Start, End                                                         *float64
	Stamps                                                             video.StampFormat
	// paths tell where each option was said.
	paths map[string]string
}

// Names of the options.
const (
	optFPS         = "fps"
	optNumFrames   = "num_frames"
	optMinFrames   = "min_frames"
	optMaxFrames   = "max_frames"
	optMinPixels   = "min_pixels"
	optMaxPixels   = "max_pixels"
	optTotalPixels = "total_pixels"
	optStart       = "video_start"
	optEnd         = "video_end"
	optStamps      = "timestamp_format"
)

func sampleOptions() []string {
	return []string{optNumFrames, optMinFrames, optMaxFrames, optStart, optEnd}
}

func sizeOptions() []string {
	return []string{optFPS, optMinPixels, optMaxPixels, optTotalPixels, optStamps}
}

func videoOptionNames() []string { return append(sampleOptions(), sizeOptions()...) }

// videoOption reads one option. What the server allows is checked later; here is only what makes sense at all.
func (d *decoder) videoOption(o *videoOptions, name string, v *value, path string) {
	if _, twice := o.paths[name]; twice {
		d.fail(path, codeInvalidValue, "%s is given twice", name)
		return
	}
	if o.paths == nil {
		o.paths = map[string]string{}
	}
	o.paths[name] = path
	count := func() *int { return ptr(int(d.integer(v, path, 1, math.MaxInt32))) }
	seconds := func() *float64 { return ptr(d.number(v, path, 0, math.MaxInt32)) }
	switch name {
	case optFPS:
		if v.kind == kindString {
			d.oneOf(v, path, "auto")
			o.AutoFPS = true
			return
		}
		o.FPS = ptr(d.number(v, path, 0, 1e6))
		if *o.FPS < 1e-6 {
			d.fail(path, codeInvalidValue, "must be greater than 0, or auto")
		}
	case optNumFrames:
		o.NumFrames = count()
	case optMinFrames:
		o.MinFrames = count()
	case optMaxFrames:
		o.MaxFrames = count()
	case optMinPixels:
		o.MinPixels = ptr(int(d.integer(v, path, 1, maxPixelArea)))
	case optMaxPixels:
		o.MaxPixels = ptr(int(d.integer(v, path, 1, maxPixelArea)))
	case optTotalPixels:
		o.TotalPixels = ptr(int(d.integer(v, path, 1, maxPixelArea)))
	case optStart:
		o.Start = seconds()
	case optEnd:
		o.End = seconds()
	case optStamps:
		o.Stamps = video.StampFormat(d.oneOf(v, path, string(video.StampSeconds), string(video.StampHMS)))
	}
}

// videoOptionsOf reads the options among the members of v.
func (d *decoder) videoOptionsOf(o *videoOptions, v *value, path string) {
	for _, name := range videoOptionNames() {
		if m := present(v, name); m != nil {
			d.videoOption(o, name, m, path+"."+name)
		}
	}
}

// over returns o with what it leaves open taken from def. A rate and a number of frames exclude each other, so either of o's own
// stands for both.
func (o videoOptions) over(def videoOptions) videoOptions {
	paths := map[string]string{}
	for name, path := range def.paths {
		paths[name] = path
	}
	for name, path := range o.paths {
		paths[name] = path
	}
	o.paths = paths
	if o.FPS == nil && !o.AutoFPS && o.NumFrames == nil {
		o.FPS, o.AutoFPS, o.NumFrames = def.FPS, def.AutoFPS, def.NumFrames
	}
	for _, p := range []struct{ own, def **int }{
		{&o.MinFrames, &def.MinFrames},
		{&o.MaxFrames, &def.MaxFrames},
		{&o.MinPixels, &def.MinPixels},
		{&o.MaxPixels, &def.MaxPixels},
		{&o.TotalPixels, &def.TotalPixels},
	} {
		if *p.own == nil {
			*p.own = *p.def
		}
	}
	if o.Stamps == "" {
		o.Stamps = def.Stamps
	}
	return o
}

// videoPart takes {"type": "video_url", "video_url": {"url"}}, the same with input_video, which may have data in base64 instead, and
// {"type": "video", "video": [frames] or url}. Options stand beside the video or in its object. Strings stand for {"url"}.
func (d *decoder) videoPart(v *value, path, kind string, m *chatMessage) {
	if m.Role == roleSystem {
		d.fail(path+".type", codeUnsupported, "videos are allowed in user, assistant and tool messages only")
		return
	}
	key := kind
	if kind == "input_video" && present(v, kind) == nil && present(v, "video_url") != nil {
		key = "video_url" // as input_image has image_url in the Responses API
	}
	d.keys(v, path, append(videoOptionNames(), "type", key)...)
	at := path + "." + key
	in := present(v, key)
	if in == nil {
		d.fail(at, codeMissing, "a %s part needs %s", kind, key)
		return
	}
	ref := videoRef{Path: at}
	d.videoOptionsOf(&ref.videoOptions, v, path)
	switch {
	case in.kind == kindArray && kind == "video":
		d.videoFrames(in, at, &ref)
	case in.kind == kindObject:
		d.keys(in, at, append(videoOptionNames(), "url", "data", "format")...)
		d.videoOptionsOf(&ref.videoOptions, in, at)
		d.videoObject(in, at, &ref)
	default:
		ref.URL = d.text(in, at)
	}
	if ref.URL == "" && ref.Frames == nil {
		d.fail(ref.Path, codeInvalidValue, "must not be empty")
	}
	if (ref.FPS != nil || ref.AutoFPS) && ref.NumFrames != nil {
		d.fail(ref.paths[optNumFrames], codeInvalidValue, "contradicts fps; send one of them")
	}
	d.addVideo(&ref, m)
}

// videoObject reads url, or data with a format that is not needed.
func (d *decoder) videoObject(in *value, at string, ref *videoRef) {
	url, data := present(in, "url"), present(in, "data")
	switch {
	case url != nil && data != nil:
		d.fail(at+".data", codeInvalidValue, "contradicts url; send one of them")
	case url != nil:
		ref.Path = at + ".url"
		ref.URL = d.text(url, ref.Path)
	case data != nil:
		ref.Path = at + ".data"
		if text := d.text(data, ref.Path); text != "" {
			ref.URL = "data:;base64," + text
		}
	default:
		d.fail(at+".url", codeMissing, "a video needs a url")
	}
	if f := present(in, "format"); f != nil {
		d.text(f, at+".format") // a file tells its format itself
	}
}

// videoFrames reads a list of pictures. They are shown as they are, so nothing can be chosen among them.
func (d *decoder) videoFrames(in *value, at string, ref *videoRef) {
	for _, name := range sampleOptions() {
		if path, given := ref.paths[name]; given {
			d.fail(path, codeUnsupported, "%s does not go with a list of frames, which are all shown", name)
			return
		}
	}
	if ref.AutoFPS {
		d.fail(ref.paths[optFPS], codeUnsupported, "of a list of frames fps is the rate at which they were taken")
	}
	for i := range in.items {
		path := index(at, i)
		item := &in.items[i]
		if item.kind == kindObject {
			d.keys(item, path, "url")
			path += ".url"
			if item = present(item, "url"); item == nil {
				d.fail(path, codeMissing, "a frame needs a url")
				return
			}
		}
		if ref.Frames = append(ref.Frames, imageRef{Path: path, URL: d.text(item, path)}); d.err != nil {
			return
		}
	}
}

// videoDefaults reads options for all videos of a request from an object, such as mm_processor_kwargs.
func (d *decoder) videoDefaults(v *value, path string, names ...string) {
	for _, name := range names {
		m := present(v, name)
		if m == nil {
			continue
		}
		if name == optNumFrames && m.kind == kindNumber && string(m.raw) == "-1" {
			continue // vLLM's "by fps"
		}
		d.videoOption(&d.req.VideoDefaults, name, m, path+"."+name)
	}
	if o := &d.req.VideoDefaults; (o.FPS != nil || o.AutoFPS) && o.NumFrames != nil {
		d.fail(o.paths[optNumFrames], codeInvalidValue, "contradicts fps; send one of them")
	}
}
