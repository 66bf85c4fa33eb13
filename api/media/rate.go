package media

import (
	"math"

	"github.com/qwenvld/qwenvld/multimodal/video"
)

// sampled says whether a rate decides how many frames are shown.
func (in *openVideo) sampled() bool { return in.wanted.Sampling.NumFrames == 0 }

// rateSearch looks for the largest rate at which videos fit. Nothing is changed by it.
type rateSearch struct {
	videos []*openVideo
	// auto says that some rates may be lowered without being asked for; then only those are.
	auto bool
	// free is what the videos may take, and stamp what a pair takes beside its picture, in tokens.
	free, stamp int
}

// slowestRate is the lowest fps that a request may ask for.
const slowestRate = 1e-6

// largest is the largest fps, in hundredths where it is not tiny, at which the videos fit; ok is false where none is
// low enough.
func (s *rateSearch) largest() (fps float64, ok bool) {
	highest := s.highest()
	switch {
	case highest == 0 || !s.fits(slowestRate):
		return 0, false
	case s.fits(highest):
		return highest, true
	}
	return s.roundDown(s.bisect(slowestRate, highest)), true
}

// highest is the largest of the rates that videos have; 0 where none has a rate.
func (s *rateSearch) highest() float64 {
	fps := 0.0
	for _, in := range s.videos {
		if in.sampled() {
			fps = max(fps, in.wanted.Sampling.FPS)
		}
	}
	return fps
}

// bisect narrows the gap between a rate that fits and one that does not, and returns one that does.
func (s *rateSearch) bisect(fitting, tooHigh float64) float64 {
	const halvings = 40
	for range halvings {
		if middle := (fitting + tooHigh) / 2; s.fits(middle) {
			fitting = middle
		} else {
			tooHigh = middle
		}
	}
	return fitting
}

// roundDown gives a rate that fits as few digits as it can have and still be one that fits.
func (s *rateSearch) roundDown(fps float64) float64 {
	for _, step := range []float64{0.01, 0.0001} {
		if rounded := math.Floor(fps/step) * step; rounded > 0 && s.fits(rounded) {
			return rounded
		}
	}
	return fps
}

// fits says whether the videos take no more than is free at a rate of at most fps.
func (s *rateSearch) fits(fps float64) bool {
	total := 0
	for _, in := range s.videos {
		sampling := in.wanted.Sampling
		if in.sampled() && (in.auto || !s.auto) {
			sampling.FPS = min(sampling.FPS, fps)
		}
		tokens, err := in.cost(sampling, s.stamp)
		if err != nil {
			return false
		}
		total += tokens
	}
	return total <= s.free
}

// cost is what a video takes with that sampling, if each pair takes stamp tokens beside its picture.
func (in *openVideo) cost(sampling video.Sampling, stamp int) (int, error) {
	info, edge := in.source.Info(), in.wanted.Factor
	indices, err := video.Select(info, sampling)
	if err != nil {
		return 0, err
	}
	h, w, err := video.Resize(len(indices), info.Height, info.Width, edge, in.wanted.Budget)
	if err != nil {
		return 0, err
	}
	return video.Groups(len(indices)) * (h*w/(edge*edge) + stamp), nil
}
