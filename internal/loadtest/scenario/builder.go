package scenario

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/internal/loadtest/picture"
)

// words are one token each in Qwen's vocabulary, with a space before them. So a text of so many of them has the
// length that is asked for, and servers that cut it otherwise are found out by the numbers that they report.
var words = strings.Fields(`time year people way day man thing woman life child world school state family student group country problem
	hand part place case week company system program question work government number night point home water room mother area money
	story fact month lot right study book eye job word business issue side kind head house service friend father power hour game line
	end member law car city community name president team minute idea kid body information back parent face others level office door
	health person art war history party result change morning reason research girl guy moment air teacher force education river stone
	light paper music garden window summer winter market table letter road field picture plan heart voice rule bank tree color`)

// builder makes asks of one plan.
type builder struct {
	*Sizes
	rng *rand.Rand
	// seed is drawn once more for each picture.
	pictures uint64
}

func newBuilder(s *Sizes, seed uint64) *builder {
	return &builder{Sizes: s, rng: rand.New(rand.NewPCG(seed, 7)), pictures: seed}
}

// text is about so many tokens that begin as no other text does.
func (b *builder) text(tokens int) string {
	const numbers, opening = 100_000_000, 12 // "Note ", eight digits, a full stop, a line's end
	var out strings.Builder
	fmt.Fprintf(&out, "Note %08d.\n", b.rng.IntN(numbers))
	for i := range max(1, tokens-opening) {
		if i > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(words[b.rng.IntN(len(words))])
	}
	out.WriteByte('.')
	return out.String()
}

// question is a short one that no other is like.
func (b *builder) question() string {
	const length = 24
	return b.text(length)
}

// part is one of a message: a text, a picture or a video.
type part map[string]any

func say(text string) part { return part{"type": "text", "text": text} }

// newPicture is a picture that nobody has seen.
func (b *builder) newPicture() (part, error) {
	b.pictures = b.pictures*6364136223846793005 + 1442695040888963407
	file, err := picture.Draw(picture.Kind(b.Picture.Kind), b.Picture.Width, b.Picture.Height, b.pictures)
	if err != nil {
		return nil, err
	}
	return part{"type": "image_url", "image_url": map[string]string{"url": picture.DataURI("image/png", file)}}, nil
}

// newVideo is a film that nobody has seen, or the one that was given.
func (b *builder) newVideo() (part, error) {
	file := b.Video.Data
	if file == nil {
		var err error
		if file, err = picture.Film(b.Video.Width, b.Video.Height, b.Video.Frames, b.Video.PerSecond, b.rng.Uint64()); err != nil {
			return nil, err
		}
	}
	p := part{
		"type": "input_video", "input_video": map[string]string{"data": base64.StdEncoding.EncodeToString(file)}, "fps": b.Video.PerSecond,
	}
	if b.Video.MaxPixels > 0 {
		p["max_pixels"] = b.Video.MaxPixels
	}
	return p, nil
}

// message is a turn of a conversation.
type message map[string]any

func system(content string) message    { return message{"role": "system", "content": content} }
func user(content any) message         { return message{"role": "user", "content": content} }
func assistant(content string) message { return message{"role": "assistant", "content": content} }

// ask is a question that gets so many tokens.
func (b *builder) ask(role string, tokens int, messages ...message) Ask {
	body := Body{"messages": messages, "max_tokens": tokens, "temperature": b.Temperature}
	if len(b.Banned) > 0 {
		bias := map[string]int{}
		for _, token := range b.Banned {
			bias[strconv.Itoa(token)] = -100
		}
		body["logit_bias"] = bias
	}
	return Ask{Role: role, Body: body}
}

// arrivals gives asks times by chance, as those of users who know nothing of each other: so many a second on the
// average. With 0 all come at once.
func (b *builder) arrivals(asks []Ask, perSecond float64) {
	if perSecond <= 0 {
		return
	}
	at := 0.0
	for i := range asks {
		at += -math.Log(1-b.rng.Float64()) / perSecond
		asks[i].At = time.Duration(at * float64(time.Second))
	}
}
