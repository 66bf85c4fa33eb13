package request

import (
	"math"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// Video is a video to bring in: one file, or a list of frames.
type Video struct {
	// Index is its place in Request.Videos.
	Index int
	// Path locates the URL in the request, for errors.
	Path string
	URL  string
	// Frames are pictures in their order; URL is empty.
	Frames []Image
	VideoOptions
}

// VideoOptions are what a client says about how videos are shown; nil is what the server does by itself.
type VideoOptions struct {
	FPS *float64
	// AutoFPS lowers the rate as far as the context asks for.
	AutoFPS                                                            bool
	NumFrames, MinFrames, MaxFrames, MinPixels, MaxPixels, TotalPixels *int
	Start, End                                                         *float64
	Stamps                                                             video.StampFormat
	// Paths tell where each option was said.
	Paths map[string]string
}

// Names of the options.
const (
	OptFPS         = "fps"
	OptNumFrames   = "num_frames"
	OptMinFrames   = "min_frames"
	OptMaxFrames   = "max_frames"
	OptMinPixels   = "min_pixels"
	OptMaxPixels   = "max_pixels"
	OptTotalPixels = "total_pixels"
	OptStart       = "video_start"
	OptEnd         = "video_end"
	OptStamps      = "timestamp_format"
)

func sampleOptions() []string {
	return []string{OptNumFrames, OptMinFrames, OptMaxFrames, OptStart, OptEnd}
}

func sizeOptions() []string {
	return []string{OptFPS, OptMinPixels, OptMaxPixels, OptTotalPixels, OptStamps}
}

func videoOptionNames() []string { return append(sampleOptions(), sizeOptions()...) }

// videoOption reads one option. What the server allows is checked later; here is only what makes sense at all.
func (d *Builder) videoOption(o *VideoOptions, name string, v *jsonbody.Value, path string) {
	if _, twice := o.Paths[name]; twice {
		d.Fail(path, fault.CodeInvalidValue, "%s is given twice", name)
		return
	}
	if o.Paths == nil {
		o.Paths = map[string]string{}
	}
	o.Paths[name] = path
	count := func() *int { return new(int(d.Integer(v, path, 1, math.MaxInt32))) }
	seconds := func() *float64 { return new(d.Number(v, path, 0, math.MaxInt32)) }
	switch name {
	case OptFPS:
		if v.Kind == jsonbody.String {
			d.OneOf(v, path, "auto")
			o.AutoFPS = true
			return
		}
		o.FPS = new(d.Number(v, path, 0, 1e6))
		if *o.FPS < 1e-6 {
			d.Fail(path, fault.CodeInvalidValue, "must be greater than 0, or auto")
		}
	case OptNumFrames:
		o.NumFrames = count()
	case OptMinFrames:
		o.MinFrames = count()
	case OptMaxFrames:
		o.MaxFrames = count()
	case OptMinPixels:
		o.MinPixels = new(int(d.Integer(v, path, 1, maxPixelArea)))
	case OptMaxPixels:
		o.MaxPixels = new(int(d.Integer(v, path, 1, maxPixelArea)))
	case OptTotalPixels:
		o.TotalPixels = new(int(d.Integer(v, path, 1, maxPixelArea)))
	case OptStart:
		o.Start = seconds()
	case OptEnd:
		o.End = seconds()
	case OptStamps:
		o.Stamps = video.StampFormat(d.OneOf(v, path, string(video.StampSeconds), string(video.StampHMS)))
	}
}

// videoOptionsOf reads the options among the members of v.
func (d *Builder) videoOptionsOf(o *VideoOptions, v *jsonbody.Value, path string) {
	for _, name := range videoOptionNames() {
		if m := jsonbody.Present(v, name); m != nil {
			d.videoOption(o, name, m, path+"."+name)
		}
	}
}

// Over returns o with what it leaves open taken from def. A rate and a number of frames exclude each other, so either
// of o's own stands for both.
func (o VideoOptions) Over(def VideoOptions) VideoOptions {
	paths := map[string]string{}
	for name, path := range def.Paths {
		paths[name] = path
	}
	for name, path := range o.Paths {
		paths[name] = path
	}
	o.Paths = paths
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

// VideoPart takes {"type": "video_url", "video_url": {"url"}}, the same with input_video, which may have data in base64
// instead, and {"type": "video", "video": [frames] or url}. Options stand beside the video or in its object. Strings
// stand for {"url"}.
func (d *Builder) VideoPart(v *jsonbody.Value, path, kind string, m *Message) {
	if m.Role == RoleSystem {
		d.Fail(path+".type", fault.CodeUnsupported, "videos are allowed in user, assistant and tool messages only")
		return
	}
	key := kind
	if kind == "input_video" && jsonbody.Present(v, kind) == nil && jsonbody.Present(v, "video_url") != nil {
		key = "video_url" // as input_image has image_url in the Responses API
	}
	d.Keys(v, path, append(videoOptionNames(), "type", key)...)
	at := path + "." + key
	in := jsonbody.Present(v, key)
	if in == nil {
		d.Fail(at, fault.CodeMissing, "a %s part needs %s", kind, key)
		return
	}
	ref := Video{Path: at}
	d.videoOptionsOf(&ref.VideoOptions, v, path)
	switch {
	case in.Kind == jsonbody.Array && kind == "video":
		d.videoFrames(in, at, &ref)
	case in.Kind == jsonbody.Object:
		d.Keys(in, at, append(videoOptionNames(), "url", "data", "format")...)
		d.videoOptionsOf(&ref.VideoOptions, in, at)
		d.videoObject(in, at, &ref)
	default:
		ref.URL = d.Text(in, at)
	}
	if ref.URL == "" && ref.Frames == nil {
		d.Fail(ref.Path, fault.CodeInvalidValue, "must not be empty")
	}
	if (ref.FPS != nil || ref.AutoFPS) && ref.NumFrames != nil {
		d.Fail(ref.Paths[OptNumFrames], fault.CodeInvalidValue, "contradicts fps; send one of them")
	}
	d.AddVideo(&ref, m)
}

// videoObject reads url, or data with a format that is not needed.
func (d *Builder) videoObject(in *jsonbody.Value, at string, ref *Video) {
	url, data := jsonbody.Present(in, "url"), jsonbody.Present(in, "data")
	switch {
	case url != nil && data != nil:
		d.Fail(at+".data", fault.CodeInvalidValue, "contradicts url; send one of them")
	case url != nil:
		ref.Path = at + ".url"
		ref.URL = d.Text(url, ref.Path)
	case data != nil:
		ref.Path = at + ".data"
		if text := d.Text(data, ref.Path); text != "" {
			ref.URL = "data:;base64," + text
		}
	default:
		d.Fail(at+".url", fault.CodeMissing, "a video needs a url")
	}
	if f := jsonbody.Present(in, "format"); f != nil {
		d.Text(f, at+".format") // a file tells its format itself
	}
}

// videoFrames reads a list of pictures. They are shown as they are, so nothing can be chosen among them.
func (d *Builder) videoFrames(in *jsonbody.Value, at string, ref *Video) {
	for _, name := range sampleOptions() {
		if path, given := ref.Paths[name]; given {
			d.Fail(path, fault.CodeUnsupported, "%s does not go with a list of frames, which are all shown", name)
			return
		}
	}
	if ref.AutoFPS {
		d.Fail(ref.Paths[OptFPS], fault.CodeUnsupported, "of a list of frames fps is the rate at which they were taken")
	}
	for i := range in.Items {
		path := jsonbody.At(at, i)
		item := &in.Items[i]
		if item.Kind == jsonbody.Object {
			d.Keys(item, path, "url")
			path += ".url"
			if item = jsonbody.Present(item, "url"); item == nil {
				d.Fail(path, fault.CodeMissing, "a frame needs a url")
				return
			}
		}
		if ref.Frames = append(ref.Frames, Image{Path: path, URL: d.Text(item, path)}); !d.OK() {
			return
		}
	}
}

// videoDefaults reads options for all videos of a request from an object, such as mm_processor_kwargs.
func (d *Builder) videoDefaults(v *jsonbody.Value, path string, names ...string) {
	for _, name := range names {
		m := jsonbody.Present(v, name)
		if m == nil {
			continue
		}
		if name == OptNumFrames && m.Kind == jsonbody.Number && string(m.Raw) == "-1" {
			continue // vLLM's "by fps"
		}
		d.videoOption(&d.Request.VideoDefaults, name, m, path+"."+name)
	}
	if o := &d.Request.VideoDefaults; (o.FPS != nil || o.AutoFPS) && o.NumFrames != nil {
		d.Fail(o.Paths[OptNumFrames], fault.CodeInvalidValue, "contradicts fps; send one of them")
	}
}
