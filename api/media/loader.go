package media

import (
	"context"
	"io"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// Fetcher brings in the bytes behind an http(s) URL. It must refuse private addresses and bound size and time by
// itself, stop when ctx is done, and be safe for concurrent use.
type Fetcher interface {
	Fetch(ctx context.Context, url string) ([]byte, error)
}

// VideoFetcher brings in the bytes behind an http(s) URL, as Fetcher does, but writes them to w as they come.
type VideoFetcher interface {
	FetchInto(ctx context.Context, url string, w io.Writer) error
}

// Meter times what is done with media. It must be safe for concurrent use.
type Meter interface {
	// Prepared times a step ("fetch" or "decode") of a medium ("image" or "video") from now until done is called,
	// whether or not the step succeeds. The context is that of the request.
	Prepared(ctx context.Context, medium, step string) (done func())
}

// Words that a Meter is told.
const (
	mediumImage = "image"
	mediumVideo = "video"
	stepFetch   = "fetch"
	stepDecode  = "decode"
)

// Options are what a Loader needs. Zero fields take the defaults named beside them.
type Options struct {
	// Fetcher is nil where http(s) URLs of images are not allowed, VideoFetcher where those of videos are not.
	Fetcher      Fetcher
	VideoFetcher VideoFetcher
	// Images decodes pictures (a Decoder of its own).
	Images *multimodal.Decoder
	// Disk is where frames wait that are sent as pictures (Video's, or 4 GiB of the system's folder of temporary
	// files).
	Disk *video.Disk
	// Video decodes video files; nil where only lists of frames are taken.
	Video  *video.Tool
	Limits Limits
	// Meter is nil where nobody asks how long things take.
	Meter Meter
}

// Loader brings in the media of requests. It is safe for concurrent use and holds nothing that must be closed.
type Loader struct{ o Options }

// New returns a Loader.
func New(o Options) *Loader {
	o.Limits = o.Limits.WithDefaults()
	if o.Images == nil {
		o.Images = multimodal.NewDecoder(multimodal.DecoderOptions{})
	}
	if o.Disk == nil && o.Video != nil {
		o.Disk = o.Video.Disk()
	}
	if o.Disk == nil {
		o.Disk = video.NewDisk("", 0)
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	return &Loader{o: o}
}

// noMeter is the Meter of a Loader that was given none.
type noMeter struct{}

// Prepared implements Meter.
func (noMeter) Prepared(context.Context, string, string) (done func()) { return func() {} }

// TakesVideoFiles says whether video files can be decoded here. Lists of frames always can.
func (l *Loader) TakesVideoFiles() bool { return l.o.Video != nil && l.o.Video.Missing() == nil }

// CheckSight refuses the media of req where the model sees nothing, which a nil v says.
func CheckSight(req *request.Request, v *engine.VisionInfo) error {
	const why = "this model has no vision projector"
	switch {
	case v != nil:
	case len(req.Images) > 0:
		return fault.Field(req.Images[0].Path, fault.CodeUnsupported, why)
	case len(req.Videos) > 0:
		return fault.Field(req.Videos[0].Path, fault.CodeUnsupported, why)
	}
	return nil
}

// Schemes that media may have.
const (
	schemeData  = "data"
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// schemeOf is what stands before an address's first colon, in lower case.
func schemeOf(address string) string {
	scheme, _, _ := strings.Cut(address, ":")
	return strings.ToLower(scheme)
}

// pictureBytes brings in an image, or a frame of a list, as it was sent. Errors need not name a path: fault.Image adds
// it.
func (l *Loader) pictureBytes(ctx context.Context, address string) ([]byte, error) {
	switch schemeOf(address) {
	case schemeData:
		data, _, err := multimodal.ParseDataURI(address, l.o.Limits.DataBytes)
		return data, err
	case schemeHTTP, schemeHTTPS:
		if l.o.Fetcher == nil {
			return nil, fault.Field("", fault.CodeUnsupported,
				"This server does not fetch URLs; send the image as a data: URI.")
		}
		defer l.o.Meter.Prepared(ctx, mediumImage, stepFetch)()
		return l.o.Fetcher.Fetch(ctx, address)
	default:
		return nil, fault.Field("", fault.CodeImage, "An image must be a data: URI or an http or https URL.")
	}
}
