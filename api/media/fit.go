package media

import (
	"context"
	"fmt"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
)

// Room is the context that videos have to fit into, with what else is in it.
type Room struct {
	// ContextSize is the model's, in tokens.
	ContextSize int
	// MaxTokens is what the client allows the answer to have; 0 where it said nothing.
	MaxTokens int
	// Images are the request's, whose pixels are not looked at.
	Images []engine.Image
	// Factor is the edge in pixels of the square that becomes one token.
	Factor int
}

func (r *Room) imageTokens() int {
	n := 0
	for i := range r.Images {
		n += r.Images[i].Width * r.Images[i].Height / (r.Factor * r.Factor)
	}
	return n
}

// forPrompt is what the prompt may take where its rate is chosen here: the rest is left for the answer. That is what
// was asked for, but never most of the context, since clients ask for more than they need.
func (r *Room) forPrompt() int {
	const unasked, most = 8, 2
	answer := r.ContextSize / unasked
	if r.MaxTokens > 0 {
		answer = min(r.MaxTokens, r.ContextSize/most)
	}
	return r.ContextSize - answer
}

// promptCost is what a prompt with videos takes, in tokens. Stamps count as text.
type promptCost struct{ text, images, videos int }

func (c *promptCost) total() int { return c.text + c.images + c.videos }

// lowerings bounds how often Fit lowers the rate. One is enough, unless the estimate of what stamps take falls short.
const lowerings = 6

// Fit checks, before anything is decoded, that the prompt leaves room in the context, and lowers the rate of those
// videos whose fps is auto as far as that needs. text counts the prompt's tokens without those of pictures, with these
// stamps, by video, before the frame pairs; Fit asks it once for a prompt without any.
func (v *Videos) Fit(
	ctx context.Context, room Room, text func(ctx context.Context, stamps [][]string) (int, error),
) error {
	if len(v.all()) == 0 {
		return nil
	}
	bare, err := text(ctx, make([][]string, len(v.videos)))
	if err != nil {
		return err
	}
	cost := promptCost{images: room.imageTokens()}
	for lowered := 0; ; lowered++ {
		if cost.text, err = text(ctx, v.Stamps()); err != nil {
			return err
		}
		cost.videos = v.Tokens()
		if cost.total() < room.ContextSize && (lowered > 0 || cost.total() <= room.forPrompt() || !v.auto()) {
			return nil
		}
		pairs := v.pairs()
		search := rateSearch{
			videos: v.videos, auto: v.auto(),
			stamp: (cost.text - bare + pairs - 1) / pairs,
			// The estimate of stamps may be short of a token or two where times get longer.
			free: room.forPrompt() - bare - cost.images - lowered*pairs,
		}
		fps, ok := search.largest()
		if !v.auto() || !ok || lowered == lowerings {
			return v.overBudget(&room, &cost, fps, ok)
		}
		if err := v.lower(fps); err != nil {
			return err
		}
	}
}

// auto says whether the rate of any video may be lowered.
func (v *Videos) auto() bool {
	for _, in := range v.videos {
		if in.auto {
			return true
		}
	}
	return false
}

// lower plans those videos again whose rate may be lowered.
func (v *Videos) lower(fps float64) error {
	for _, in := range v.videos {
		if !in.auto || !in.sampled() {
			continue
		}
		in.wanted.Sampling.FPS = min(in.wanted.Sampling.FPS, fps)
		if err := in.choose(); err != nil {
			return err
		}
	}
	return nil
}

// overBudget refuses a prompt that is too long. It tells what would help: fps, the largest that fits, or other options
// if there is none.
func (v *Videos) overBudget(room *Room, cost *promptCost, fps float64, ok bool) error {
	frames := 0
	for _, in := range v.videos {
		frames += len(in.plan.Indices)
	}
	text := fmt.Sprintf("This model's context holds %d tokens. "+
		"The prompt has %d: %d of text and timestamps, %d of images and %d of %d video frames",
		room.ContextSize, cost.total(), cost.text, cost.images, cost.videos, frames)
	if ok {
		text += fmt.Sprintf(". The largest fps that fits is %.4g (\"auto\" chooses it)", fps)
	} else {
		text += ". No fps is low enough; ask for fewer min_frames, max_pixels or total_pixels, " +
			"or for a part of the video with video_start and video_end"
	}
	return fault.Field(v.videos[0].ref.Path, fault.CodeContextLength, "%s.", text)
}
