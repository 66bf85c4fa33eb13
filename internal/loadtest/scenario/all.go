package scenario

import (
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
)

// Roles of asks.
const (
	answer  = "answer"
	stream  = "stream"
	shown   = "picture"
	again   = "again"
	later   = "later"
	moved   = "moved"
	arrival = "prompt"
	turn    = "turn"
	first   = "first"
	second  = "second"
	left    = "left"
	after   = "after"
)

func of(role, kind string) string { return role + "." + kind }

// All are the scenarios that there are.
func All() []Scenario {
	return []Scenario{
		{
			Name: "text-1", About: "one question of text", plan: textOne,
			Show: []string{of(answer, measure.FirstToken), of(answer, measure.PromptRate), of(answer, measure.DecodeRate)},
		},
		{
			Name: "text-8", About: "eight questions at once with a long beginning in common", plan: textEight,
			Show: []string{measure.Total, measure.TokenRate, of(answer, measure.FirstToken), of(answer, measure.LastFirstToken)},
		},
		{
			Name: "image-new", About: "a picture that was never seen", plan: imageNew,
			Show: []string{of(shown, measure.FirstToken), of(shown, measure.DecodeRate)},
		},
		{
			Name:  "image-again",
			About: "another question about a picture: at once, after sixteen other conversations, behind another beginning",
			plan:  imageAgain,
			Show: []string{
				of(shown, measure.FirstToken), of(again, measure.FirstToken), of(later, measure.FirstToken), of(moved, measure.FirstToken),
			},
		},
		{
			Name: "mixed", About: "a new picture arrives while three others read", plan: mixed,
			Show: []string{
				of(stream, measure.GapMedian), of(stream, measure.GapHigh), of(stream, measure.GapLongest), of(shown, measure.FirstToken),
			},
		},
		{
			Name: "long-prompt-beside-streams", About: "a long text arrives while two others read", plan: longPrompt,
			Show: []string{
				of(stream, measure.GapMedian), of(stream, measure.GapHigh), of(stream, measure.GapLongest), of(arrival, measure.FirstToken),
			},
		},
		{
			Name: "conversation", About: "a conversation with two pictures, each turn with all before it", plan: conversation,
			Show: []string{measure.Total, of(turn, measure.FirstToken), of(turn, measure.LastFirstToken)},
		},
		{
			Name: "video", About: "a video that was never seen", plan: video,
			Show: []string{of("video", measure.FirstToken), of("video", measure.PromptTokens)},
		},
		{Name: "depth", About: "one question of text, by its length", plan: depth, Show: depthFigures(Full().Depths)},
		{
			Name: "arrivals", About: "questions that come by chance, every fourth with a new picture", plan: arrivals,
			Show: []string{
				measure.Total, measure.TokenRate,
				of(answer, measure.FirstToken), of(answer, measure.GapHigh), of(shown, measure.FirstToken),
				measure.Good, measure.GoodRate,
			},
		},
		{
			Name: "cancel-100", About: "clients that leave midway", plan: cancel, FreesCells: true,
			Show: []string{measure.LiveCells, measure.CellsFreed, of(after, measure.FirstToken)},
		},
		{
			Name: "both-variants", About: "two readers at once, one of each of a server's models", plan: bothVariants,
			Show: []string{of(first, measure.DecodeRate), of(second, measure.DecodeRate), measure.Total},
		},
		{
			Name: "requests", About: "requests of a file", plan: requests,
			Show: []string{
				measure.Total, measure.TokenRate,
				of(answer, measure.FirstToken), of(answer, measure.FirstAnswer), of(answer, measure.GapHigh),
				measure.Good, measure.GoodRate,
			},
		},
	}
}

func depthFigures(depths []int) []string {
	var names []string
	for _, d := range depths {
		role := strconv.Itoa(d)
		names = append(names, of(role, measure.PromptRate), of(role, measure.DecodeRate))
	}
	return names
}

func textOne(b *builder) ([]Stage, error) {
	return []Stage{{Asks: []Ask{b.ask(answer, b.Answer, user(b.text(b.Prompt)))}}}, nil
}

func textEight(b *builder) ([]Stage, error) {
	const streams = 8
	s := Stage{}
	common := system(b.text(b.Shared))
	for range streams {
		s.Asks = append(s.Asks, b.ask(answer, b.Answer, common, user(b.question())))
	}
	return []Stage{s}, nil
}

// about is a question about a picture or a video, which comes first.
func (b *builder) about(role string, tokens int, media part) Ask {
	return b.ask(role, tokens, user([]part{media, say(b.question())}))
}

func imageNew(b *builder) ([]Stage, error) {
	media, err := b.newPicture()
	if err != nil {
		return nil, err
	}
	return []Stage{{Asks: []Ask{b.about(shown, b.Short, media)}}}, nil
}

func imageAgain(b *builder) ([]Stage, error) {
	const others = 16 // twice what a server of eight slots holds
	media, err := b.newPicture()
	if err != nil {
		return nil, err
	}
	traffic := Stage{Limit: others / 2}
	for range others {
		traffic.Asks = append(traffic.Asks, b.ask(measure.Aside, 2, user(b.question())))
	}
	return []Stage{
		{Asks: []Ask{b.about(shown, b.Short, media)}},
		{Asks: []Ask{b.about(again, b.Short, media)}},
		traffic,
		{Asks: []Ask{b.about(later, b.Short, media)}},
		{Asks: []Ask{b.ask(moved, b.Short, system(b.question()), user([]part{media, say(b.question())}))}},
	}, nil
}

// readers are answers that are long enough to go on for as long as somebody reads them.
func (b *builder) readers(n int) Stage {
	const endless, texts = 4096, 8
	s := Stage{Texts: texts}
	for range n {
		s.Beside = append(s.Beside, b.ask(stream, endless, user(b.text(2*texts*n))))
	}
	return s
}

func mixed(b *builder) ([]Stage, error) {
	media, err := b.newPicture()
	if err != nil {
		return nil, err
	}
	s := b.readers(3)
	s.Asks = []Ask{b.about(shown, b.Short, media)}
	return []Stage{s}, nil
}

func longPrompt(b *builder) ([]Stage, error) {
	s := b.readers(2)
	s.Asks = []Ask{b.ask(arrival, b.Short, user(b.text(b.Long)))}
	return []Stage{s}, nil
}

// conversation has answers of its own as what was answered before, so that every server reads the same.
func conversation(b *builder) ([]Stage, error) {
	const picturesApart = 4
	var stages []Stage
	var history []message
	for i := range b.Turns {
		content := any(b.question())
		if i%picturesApart == 0 && i < 2*picturesApart {
			media, err := b.newPicture()
			if err != nil {
				return nil, err
			}
			content = []part{media, say(b.question())}
		}
		history = append(history, user(content))
		stages = append(stages, Stage{Asks: []Ask{b.ask(turn, b.Answer/2, append([]message(nil), history...)...)}})
		history = append(history, assistant(b.text(b.Answer/2)))
	}
	return stages, nil
}

func video(b *builder) ([]Stage, error) {
	media, err := b.newVideo()
	if err != nil {
		return nil, err
	}
	return []Stage{{Asks: []Ask{b.about("video", b.Short, media)}}}, nil
}

func depth(b *builder) ([]Stage, error) {
	var stages []Stage
	for _, d := range b.Depths {
		stages = append(stages, Stage{Asks: []Ask{b.ask(strconv.Itoa(d), b.Answer/2, user(b.text(d)))}})
	}
	return stages, nil
}

func arrivals(b *builder) ([]Stage, error) {
	const every = 4
	s := Stage{Limit: b.AtOnce}
	for i := range b.Count {
		if i%every == every-1 {
			media, err := b.newPicture()
			if err != nil {
				return nil, err
			}
			s.Asks = append(s.Asks, b.about(shown, b.Answer, media))
			continue
		}
		s.Asks = append(s.Asks, b.ask(answer, b.Answer, user(b.text(b.Prompt/4))))
	}
	b.arrivals(s.Asks, b.Arrivals)
	return []Stage{s}, nil
}

// cancel has clients leave after their first tokens, and every other one before: while its prompt waits or is read.
func cancel(b *builder) ([]Stage, error) {
	const atOnce, soon = 12, 100 * time.Millisecond
	s := Stage{Limit: atOnce}
	for i := range b.Cancels {
		a := b.ask(left, b.Answer, user(b.text(b.Prompt/8)))
		if i%2 == 0 {
			a.LeaveAfter = 2
		} else {
			a.LeaveAt = time.Duration(1+b.rng.IntN(10)) * soon
		}
		s.Asks = append(s.Asks, a)
	}
	return []Stage{s, {Asks: []Ask{b.ask(after, 2, user(b.question()))}}}, nil
}

func bothVariants(b *builder) ([]Stage, error) {
	one, two := b.ask(first, b.Answer, user(b.question())), b.ask(second, b.Answer, user(b.question()))
	two.Other = true
	return []Stage{{Asks: []Ask{one, two}}}, nil
}

func requests(b *builder) ([]Stage, error) {
	if len(b.Requests) == 0 {
		return nil, errors.New("there is no file of requests")
	}
	count := b.Count
	if count == 0 {
		count = len(b.Requests)
	}
	s := Stage{Limit: b.AtOnce}
	for i := range count {
		s.Asks = append(s.Asks, Ask{Role: answer, Body: maps.Clone(b.Requests[i%len(b.Requests)])})
	}
	b.arrivals(s.Asks, b.Arrivals)
	return []Stage{s}, nil
}
