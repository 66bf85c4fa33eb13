package prompt

import (
	"strings"

	"github.com/qwenvld/qwenvld/engine"
)

const (
	imagePad     = "<|image_pad|>"
	videoPad     = "<|video_pad|>"
	visionStart  = "<|vision_start|>"
	visionEnd    = "<|vision_end|>"
	messageStart = "<|im_start|>"
	messageEnd   = "<|im_end|>"
	// videoMark is what a template writes for a video; timestamps and frames take the place of all of it.
	videoMark = visionStart + videoPad + visionEnd
)

// Renderer renders conversations with one chat template. It is safe for concurrent use.
type Renderer interface {
	// Name says what renders: "qwen3-vl-instruct", "qwen3-vl-thinking" or "jinja".
	Name() string
	// Render does exactly what the template does, including what it leaves out. It fails with a
	// *ConversationError for a conversation on which the template itself would fail.
	Render(c *Conversation) (Rendered, error)
	// RenderAll is Render for a caller who must not lose a word: it also fails, with a *ConversationError, for
	// the first thing in c that the template would drop silently: a message, a role, media.
	RenderAll(c *Conversation) (Rendered, error)
}

// Rendered is a prompt.
type Rendered struct {
	// Pieces never holds two adjacent pieces of the same kind, except images and videos.
	Pieces []engine.Piece
	// ThinkOpen means that the prompt ends inside a think block, so the answer starts with reasoning.
	ThinkOpen bool
	// ThinkClosed means that a think block was closed after the template had opened it.
	ThinkClosed bool
}

// String is the prompt as one text, with images as <|image_pad|> and videos as <|video_pad|> between their marks: what
// Jinja renders.
func (r Rendered) String() string {
	var b strings.Builder
	for _, p := range r.Pieces {
		switch p.Kind {
		case engine.PieceImage:
			b.WriteString(imagePad)
		case engine.PieceVideo:
			b.WriteString(videoMark)
		default:
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// Images counts the image pieces.
func (r Rendered) Images() int { return r.count(engine.PieceImage) }

// Videos counts the video pieces.
func (r Rendered) Videos() int { return r.count(engine.PieceVideo) }

func (r Rendered) count(kind engine.PieceKind) int {
	n := 0
	for _, p := range r.Pieces {
		if p.Kind == kind {
			n++
		}
	}
	return n
}

// WithFrames puts timestamps and frame pairs in the place of videos, as Qwen3VLProcessor does: for each pair its stamp,
// and the picture between its own marks. stamps holds those of each video; pairs are numbered as images from first on,
// those of the first video first, wherever in the prompt it stands. Stamps are control pieces, so that they join with
// the text around them when it is tokenised, as in transformers, which tokenises the prompt as one text.
func (r Rendered) WithFrames(stamps [][]string, first int) Rendered {
	starts := make([]int, len(stamps))
	for i := range stamps {
		starts[i] = first
		first += len(stamps[i])
	}
	var b builder
	for _, p := range r.Pieces {
		switch p.Kind {
		case engine.PieceVideo:
			for i, stamp := range stamps[p.Video] {
				b.control(stamp + visionStart)
				b.image(starts[p.Video] + i)
				b.control(visionEnd)
			}
		case engine.PieceControl, engine.PieceText:
			b.add(p.Kind, p.Text)
		default:
			b.pieces = append(b.pieces, p)
		}
	}
	r.Pieces = b.pieces
	return r
}

// builder collects pieces and joins neighbours of one kind.
type builder struct{ pieces []engine.Piece }

func (b *builder) add(kind engine.PieceKind, text string) {
	if text == "" {
		return
	}
	if n := len(b.pieces); n > 0 && b.pieces[n-1].Kind == kind {
		b.pieces[n-1].Text += text
		return
	}
	b.pieces = append(b.pieces, engine.Piece{Kind: kind, Text: text})
}

func (b *builder) control(text string) { b.add(engine.PieceControl, text) }

func (b *builder) text(text string) { b.add(engine.PieceText, text) }

func (b *builder) image(which int) {
	b.pieces = append(b.pieces, engine.Piece{Kind: engine.PieceImage, Image: which})
}

func (b *builder) video(which int) {
	b.pieces = append(b.pieces, engine.Piece{Kind: engine.PieceVideo, Video: which})
}
