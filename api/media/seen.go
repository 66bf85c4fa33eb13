package media

// Seen is what a picture became before the model saw it.
type Seen struct {
	// Width and Height in pixels are those of the picture as it was sent, upright.
	Width  int `json:"width"`
	Height int `json:"height"`
	// ResizedWidth and ResizedHeight are those that the model sees.
	ResizedWidth  int `json:"resized_width"`
	ResizedHeight int `json:"resized_height"`
	// Tokens is what it takes of the prompt.
	Tokens int `json:"tokens"`
}

// SeenVideo is what a video became: Seen of each frame, with the tokens of all.
type SeenVideo struct {
	Seen

	// FrameTimes are when the frames are shown that the model sees, in seconds from the beginning.
	FrameTimes []float64 `json:"frame_times"`
	// Timestamps stand before each pair of frames.
	Timestamps []string `json:"timestamps"`
}

// Seen tells what each of the videos became.
func (v *Videos) Seen() []SeenVideo {
	out := make([]SeenVideo, 0, len(v.all()))
	for _, in := range v.all() {
		info := in.source.Info()
		one := SeenVideo{
			Seen: Seen{
				Width: info.Width, Height: info.Height, ResizedWidth: in.plan.Width, ResizedHeight: in.plan.Height,
				Tokens: in.tokens(),
			},
			Timestamps: in.plan.Stamps,
		}
		for _, frame := range in.plan.Indices {
			one.FrameTimes = append(one.FrameTimes, info.Time(frame))
		}
		out = append(out, one)
	}
	return out
}
