package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/decoders"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// mediaSources are what fetches and decodes the images and videos of requests.
type mediaSources struct {
	fetchers fetchers
	images   *multimodal.Decoder
	tool     *video.Tool
}

// fetchers load what the URLs of requests name. They are nil where the configuration forbids that.
type fetchers struct{ images, videos *multimodal.Fetcher }

func newFetchers(m *config.Media) fetchers {
	if !m.Fetch {
		return fetchers{}
	}
	o := multimodal.FetcherOptions{
		AllowedHosts: m.AllowedHosts, MaxBytes: m.ImageBytes, Timeout: m.FetchTimeout, UserAgent: "qwenvld/" + version,
	}
	images := multimodal.NewFetcher(o)
	o.MaxBytes, o.Timeout, o.Accept = m.Video.Bytes, m.Video.FetchTimeout, "video/*, image/*;q=0.5"
	return fetchers{images: images, videos: multimodal.NewFetcher(o)}
}

func (f fetchers) close() {
	for _, f := range []*multimodal.Fetcher{f.images, f.videos} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// newDecoder decodes pictures in processes of their own.
func newDecoder(m *config.Media, apart *decoders.Pool) *multimodal.Decoder {
	return multimodal.NewDecoder(multimodal.DecoderOptions{
		MaxPixels: m.ImagePixels, Memory: m.DecodeMemory, Timeout: m.DecodeTimeout, Wait: m.DecodeWait, Run: apart.Run,
	})
}

// newVideoTool finds ffmpeg. Without it everything else works.
func newVideoTool(ctx context.Context, c *config.Video, images *multimodal.Decoder, logger *slog.Logger) (*video.Tool, error) {
	tool, err := video.NewTool(ctx, video.Options{
		FFmpeg: c.FFmpeg, FFprobe: c.FFprobe, SourcePixels: c.SourcePixels, SourceFrames: c.SourceFrames, Seconds: c.Duration.Seconds(),
		Memory: c.Memory, ProbeTimeout: c.ProbeTimeout, DecodeTimeout: c.DecodeTimeout, Children: c.Decoders, NoSandbox: !c.Sandbox,
		Disk: video.NewDisk("", c.Disk), Images: images,
	})
	switch {
	case err != nil:
		return nil, err
	case tool.Missing() != nil:
		logger.Warn("video files cannot be decoded", "error", tool.Missing(), "cause", errors.Unwrap(tool.Missing()))
	case tool.Version() == "":
		logger.Warn("ffmpeg has not told its version in time: it is asked again with the next video")
	default:
		logger.Info("video files are decoded by ffmpeg", "ffmpeg_version", tool.Version(), "sandbox", tool.Sandbox())
	}
	return tool, nil
}
