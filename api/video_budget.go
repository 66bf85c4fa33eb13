package api

import (
	"context"
	"fmt"
	"math"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// promptCost is what a prompt with videos takes, in tokens.
type promptCost struct {
	text, images, videos int
	// stamp is what one pair takes beside its picture, at most.
	stamp int
}

func (c *promptCost) total() int { return c.text + c.images + c.videos }

// fitVideos checks, before anything is decoded, that the prompt leaves room in the context, lowering the rate of those videos whose
// fps is auto as far as needed. It returns the prompt with timestamps in place.
func (s *Server) fitVideos(
	ctx context.Context, r *routed, rendered prompt.Rendered, videos videoInputs, images []engine.Image,
) (prompt.Rendered, error) {
	base := promptCost{}
	factor := r.info.Vision.PatchSize * r.info.Vision.MergeSize
	for i := range images {
		base.images += images[i].Width * images[i].Height / (factor * factor)
	}
	bare, err := s.textTokens(ctx, r, rendered.WithFrames(make([][]string, len(videos)), len(images)))
	if err != nil {
		return rendered, err
	}
	room := r.info.ContextSize - answerRoom(r)
	for tries := 0; ; tries++ {
		full := rendered.WithFrames(videos.stamps(), len(images))
		cost := base
		if cost.text, err = s.textTokens(ctx, r, full); err != nil {
			return rendered, err
		}
		cost.videos = videos.tokens()
		if cost.total() < r.info.ContextSize && (tries > 0 || cost.total() <= room || !videos.auto()) {
			return full, nil
		}
		pairs := 0
		for _, in := range videos {
			pairs += len(in.plan.Stamps)
		}
		cost.stamp = (cost.text - bare + pairs - 1) / pairs
		free := room - bare - base.images
		// The estimate of stamps may be short of a token or two where times get longer.
		const most = 6
		fps, ok := videos.largestRate(free-tries*pairs, cost.stamp)
		if !videos.auto() || !ok || tries == most {
			return rendered, s.overBudget(r, videos, &cost, fps, ok)
		}
		if err := videos.lower(fps); err != nil {
			return rendered, err
		}
	}
}

func maxTokens(req *chatRequest) int {
	if req.MaxTokens == nil {
		return 0
	}
	return *req.MaxTokens
}

// answerRoom is what is left free for the answer where the rate is chosen here: what was asked for, but never most of the context, since
// clients ask for more than they need.
func answerRoom(r *routed) int {
	const share, most = 8, 2
	if n := maxTokens(r.req); n > 0 {
		return min(n, r.info.ContextSize/most)
	}
	return r.info.ContextSize / share
}

// textTokens counts a prompt's tokens without those of pictures. Pictures stand between marks of their own, so what is left of the text
// tokenises as it does around them.
func (s *Server) textTokens(ctx context.Context, r *routed, p prompt.Rendered) (int, error) {
	tokens, err := s.cfg.Engines[r.decision.Variant].Tokenize(ctx, textPieces(p.Pieces))
	return len(tokens), err
}

func textPieces(pieces []engine.Piece) []engine.Piece {
	out := make([]engine.Piece, 0, len(pieces))
	for _, p := range pieces {
		if p.Kind != engine.PieceImage && p.Kind != engine.PieceVideo {
			out = append(out, p)
		}
	}
	return out
}

// auto reports whether a video's rate may be lowered.
func (v videoInputs) auto() bool {
	for _, in := range v {
		if in.auto {
			return true
		}
	}
	return false
}

// sampled reports whether a rate decides how many frames are shown.
func (in *videoInput) sampled() bool { return in.request.Sampling.NumFrames == 0 }

// costAt is what the videos take at a rate of at most fps, with stamps. Where rates may be lowered by themselves, only those are.
func (v videoInputs) costAt(fps float64, stamp int) int {
	total, auto := 0, v.auto()
	for _, in := range v {
		sampling := in.request.Sampling
		if in.sampled() && (in.auto || !auto) {
			sampling.FPS = min(sampling.FPS, fps)
		}
		indices, err := video.Select(in.src.Info(), sampling)
		if err != nil {
			return math.MaxInt
		}
		h, w, err := video.Resize(len(indices), in.src.Info().Height, in.src.Info().Width, in.request.Factor, in.request.Budget)
		if err != nil {
			return math.MaxInt
		}
		total += video.Groups(len(indices)) * (h*w/(in.request.Factor*in.request.Factor) + stamp)
	}
	return total
}

// largestRate is the largest fps, in hundredths where it is not tiny, at which the videos take at most free tokens.
func (v videoInputs) largestRate(free, stamp int) (fps float64, ok bool) {
	high := 0.0
	for _, in := range v {
		if in.sampled() {
			high = max(high, in.request.Sampling.FPS)
		}
	}
	const tiny = 1e-6
	if high == 0 || v.costAt(tiny, stamp) > free {
		return 0, false
	}
	if v.costAt(high, stamp) <= free {
		return high, true
	}
	low := tiny
	for range 40 {
		if middle := (low + high) / 2; v.costAt(middle, stamp) <= free {
			low = middle
		} else {
			high = middle
		}
	}
	for _, step := range []float64{0.01, 0.0001} {
		if rounded := math.Floor(low/step) * step; rounded > 0 && v.costAt(rounded, stamp) <= free {
			return rounded, true
		}
	}
	return low, true
}

// lower plans again those videos whose rate may be lowered.
func (v videoInputs) lower(fps float64) (err error) {
	for _, in := range v {
		if !in.auto || !in.sampled() {
			continue
		}
		in.request.Sampling.FPS = min(in.request.Sampling.FPS, fps)
		if in.plan, err = video.NewPlan(in.src, &in.request); err != nil {
			return videoError(in.ref.Path, err)
		}
	}
	return nil
}

// overBudget refuses a prompt that is too long, with what would help.
func (s *Server) overBudget(r *routed, videos videoInputs, cost *promptCost, fps float64, ok bool) error {
	frames := 0
	for _, in := range videos {
		frames += len(in.plan.Indices)
	}
	text := fmt.Sprintf("This model's context holds %d tokens. "+
		"The prompt has %d: %d of text and timestamps, %d of images and %d of %d video frames",
		r.info.ContextSize, cost.total(), cost.text, cost.images, cost.videos, frames)
	if ok {
		text += fmt.Sprintf(". The largest fps that fits is %s (\"auto\" chooses it)", formatRate(fps))
	} else {
		text += ". No fps is low enough; ask for fewer min_frames, max_pixels or total_pixels, " +
			"or for a part of the video with video_start and video_end"
	}
	return badField(videos[0].ref.Path, codeContextLength, "%s.", text)
}

func formatRate(fps float64) string { return fmt.Sprintf("%.4g", fps) }
