// Package scenario says what a server is asked, in which order and what besides, for each kind of load that a user
// knows: one reader, eight at once, a picture that arrives while others read.
//
// It must not ask anybody: a plan is data. The same seed gives the same plan, so that every server has the same
// work, and another seed gives texts and pictures that no server has seen.
package scenario

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Body is a chat completion's request without what the server decides on: the model's name, and that it streams.
type Body map[string]any

// Ask is one request.
type Ask struct {
	// Role groups answers whose figures belong together; measure.Aside is not measured.
	Role string
	Body Body
	// At is when it goes out, after the beginning of its stage.
	At time.Duration
	// Other asks the server's other model, where it has one.
	Other bool
	// LeaveAfter is after how many pieces of text the client leaves, LeaveAt how long after asking. 0 stays to the
	// end.
	LeaveAfter int
	LeaveAt    time.Duration
}

// Stage is asked at once, after the stage before it.
type Stage struct {
	// Beside are answers that go on while Asks are answered, and that are left when these are done. Each has got Texts
	// pieces of text before Asks go out.
	Beside []Ask
	Texts  int
	Asks   []Ask
	// Limit is how many of Asks are on their way at once; 0 for all.
	Limit int
}

// Scenario is a kind of load.
type Scenario struct {
	Name  string
	About string
	// Show are the figures that tell most, by their names in package measure.
	Show []string
	// FreesCells has it watched whether all cells of the server's cache are free in the end.
	FreesCells bool
	plan       func(b *builder) ([]Stage, error)
}

// Plan is the load in its stages.
func (s *Scenario) Plan(sizes *Sizes, seed uint64) ([]Stage, error) {
	name := fnv.New64a()
	_, _ = name.Write([]byte(s.Name)) // so that no two scenarios begin with the same text
	stages, err := s.plan(newBuilder(sizes, seed^name.Sum64()))
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", s.Name, err)
	}
	return stages, nil
}

// Named are the scenarios of these names, in this order; of none, those that every server can be measured by.
func Named(names []string) ([]Scenario, error) {
	all := All()
	if len(names) == 0 {
		return slices.DeleteFunc(all, func(s Scenario) bool { return slices.Contains([]string{"requests", "both-variants"}, s.Name) }), nil
	}
	var out []Scenario
	for _, name := range names {
		i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
		if i < 0 {
			var known []string
			for i := range all {
				known = append(known, all[i].Name)
			}
			return nil, fmt.Errorf("there is no scenario %q: there are %s", name, strings.Join(known, ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// Sizes say how large everything is.
type Sizes struct {
	// Prompt, Shared and Long are tokens of text, near enough: of a question, of what eight questions have in
	// common, of what arrives beside streams.
	Prompt, Shared, Long int
	// Answer is how many tokens an answer has, Short those of an answer where only its beginning matters.
	Answer, Short int
	// Depths are tokens of the prompts that are compared by their lengths.
	Depths  []int
	Picture Picture
	Video   Video
	// Turns of a conversation.
	Turns int
	// Cancels are requests that their clients leave.
	Cancels int
	// Requests are asked as they are. Arrivals a second come by chance, 0 has them come at once, Count of them.
	Requests []Body
	Arrivals float64
	Count    int
	// AtOnce is how many of them are on their way at once; 0 for all.
	AtOnce int
	// Temperature of all answers, 0 for the likeliest tokens.
	Temperature float64
	// Banned are tokens that must not be drawn: those that end an answer.
	Banned []int
}

// Full are the sizes that figures are published with.
func Full() Sizes {
	return Sizes{
		Prompt: 512, Shared: 1024, Long: 1500, Answer: 64, Short: 8, Depths: []int{512, 4096, 16384},
		Picture: Picture{Kind: "tiles", Width: 512, Height: 512}, Video: Video{Width: 320, Height: 256, Frames: 16, PerSecond: 4},
		Turns: 8, Cancels: 100, Arrivals: 0.5, Count: 40,
	}
}

// Quick are sizes for a look that takes minutes.
func Quick() Sizes {
	s := Full()
	s.Shared, s.Long, s.Answer, s.Short, s.Depths = 512, 768, 24, 4, []int{512, 2048}
	s.Picture.Width, s.Picture.Height = 256, 256
	s.Video.Frames, s.Turns, s.Cancels, s.Count = 8, 4, 24, 8
	return s
}

// Picture says what pictures look like.
type Picture struct {
	Kind          string
	Width, Height int
}

// Video is a film to be drawn, or, where Data is given, one that is there.
type Video struct {
	Width, Height, Frames, PerSecond int
	Data                             []byte
	// MaxPixels bounds what a server makes of a frame, where it takes such a wish; 0 leaves it to the server.
	MaxPixels int
}
