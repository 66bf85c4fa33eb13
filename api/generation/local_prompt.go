package generation

import (
	"context"
	"errors"
	"fmt"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// render turns the messages into a prompt, and what the template would drop into an error.
func (l *Local) render(d *Decided) (prompt.Rendered, error) {
	renderer, err := l.template(&d.info)
	if err != nil {
		return prompt.Rendered{}, err
	}
	req := d.Request
	begun := req.Prefill()
	c := conversation(req)
	if begun != nil {
		c.Messages = c.Messages[:len(c.Messages)-1]
	}
	rendered, err := prompt.Show(renderer, c)
	var refused *prompt.ConversationError
	if errors.As(err, &refused) {
		return rendered, fault.Field(refused.Param, fault.CodeUnsupported, "%s", refused.Reason)
	}
	if err != nil {
		return rendered, fmt.Errorf("render the prompt: %w", err)
	}
	const lacks = "The chat template shows %d of %d %s."
	if n := rendered.Images(); n != len(req.Images) {
		return rendered, fault.Field(req.PromptParam, fault.CodeUnsupported, lacks, n, len(req.Images), "images")
	}
	if n := rendered.Videos(); n != len(req.Videos) {
		return rendered, fault.Field(req.PromptParam, fault.CodeUnsupported, lacks, n, len(req.Videos), "videos")
	}
	if begun != nil {
		rendered = goOn(rendered, begun)
	}
	return rendered, nil
}

// goOn writes the beginning of the answer behind a prompt that asks for one. An answer that has begun is thought about
// no more; thoughts without an answer go on, where the weights think.
func goOn(r prompt.Rendered, p *request.Prefill) prompt.Rendered {
	pieces := r.Pieces[:len(r.Pieces):len(r.Pieces)]
	switch {
	case r.ThinkOpen:
		if p.Reasoning != "" {
			pieces = append(pieces, engine.Piece{Kind: engine.PieceText, Text: p.Reasoning})
		}
		if p.Text != "" {
			pieces = append(pieces, engine.Piece{Kind: engine.PieceControl, Text: prompt.ThinkEmpty})
			r.ThinkOpen, r.ThinkClosed = false, true
		}
	case p.Text == "":
		return r // instruct shows no thoughts, of this turn as of earlier ones
	}
	if p.Text != "" {
		pieces = append(pieces, engine.Piece{Kind: engine.PieceText, Text: p.Text})
	}
	r.Pieces = pieces
	return r
}

func conversation(req *request.Request) *prompt.Conversation {
	c := &prompt.Conversation{Messages: make([]prompt.Message, len(req.Messages)), AddGenerationPrompt: true, AddVisionID: req.VisionID}
	if !req.ToolsOff {
		c.Tools = req.Tools
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		out := prompt.Message{
			Role: string(m.Role), ReasoningContent: m.Reasoning, ToolCallID: m.ToolCallID, Path: m.Path, Content: content(m),
		}
		for _, call := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, prompt.ToolCall{ID: call.ID, Name: call.Name, Arguments: call.Arguments})
		}
		c.Messages[i] = out
	}
	return c
}

func content(m *request.Message) prompt.Content {
	if m.IsText {
		return prompt.TextContent(m.Text)
	}
	parts := make([]prompt.Part, len(m.Parts))
	for i, p := range m.Parts {
		switch {
		case p.Image != nil:
			parts[i] = prompt.Part{Kind: prompt.PartImage, Media: p.Image.Index}
		case p.Video != nil:
			parts[i] = prompt.Part{Kind: prompt.PartVideo, Media: p.Video.Index}
		default:
			parts[i] = prompt.Part{Kind: prompt.PartText, Text: p.Text}
		}
	}
	return prompt.ListContent(parts...)
}

// fit puts the videos into the prompt, at rates at which all of it fits into the context.
func (l *Local) fit(
	ctx context.Context, d *Decided, rendered prompt.Rendered, videos *media.Videos, images []engine.Image,
) (prompt.Rendered, error) {
	room := media.Room{ContextSize: d.info.ContextSize, Images: images, Factor: d.info.Vision.PatchSize * d.info.Vision.MergeSize}
	if d.Request.MaxTokens != nil {
		room.MaxTokens = *d.Request.MaxTokens
	}
	err := videos.Fit(ctx, room, func(ctx context.Context, stamps [][]string) (int, error) {
		// Pictures stand between marks of their own, so what is left of the text tokenises as it does around them.
		return l.count(ctx, withoutPictures(rendered.WithFrames(stamps, len(images)).Pieces))
	})
	if err != nil {
		return rendered, err
	}
	return rendered.WithFrames(videos.Stamps(), len(images)), nil
}

func withoutPictures(pieces []engine.Piece) []engine.Piece {
	out := make([]engine.Piece, 0, len(pieces))
	for _, p := range pieces {
		if p.Kind != engine.PieceImage && p.Kind != engine.PieceVideo {
			out = append(out, p)
		}
	}
	return out
}

// withVideos puts the videos' timestamps into a prompt, for which they are probed. The caller closes them.
func (l *Local) withVideos(ctx context.Context, d *Decided, rendered prompt.Rendered) (prompt.Rendered, *media.Videos, error) {
	if len(d.Request.Videos) == 0 {
		return rendered, nil, nil
	}
	videos, err := l.media.OpenVideos(ctx, d.Request, d.info.Vision)
	if err != nil {
		return rendered, nil, err
	}
	return rendered.WithFrames(videos.Stamps(), len(d.Request.Images)), videos, nil
}

// Tokens are those of the prompt's text.
func (l *Local) Tokens(ctx context.Context, d *Decided) ([]int32, error) {
	rendered, err := l.render(d)
	if err != nil {
		return nil, err
	}
	if len(d.Request.Videos) > 0 {
		if err := media.CheckSight(d.Request, d.info.Vision); err != nil {
			return nil, err
		}
	}
	rendered, videos, err := l.withVideos(ctx, d, rendered)
	if err != nil {
		return nil, err
	}
	defer videos.Close()
	return l.engine.Tokenize(ctx, withoutPictures(rendered.Pieces))
}

// Count tokenises the text and reads the sizes of pictures from their headers.
func (l *Local) Count(ctx context.Context, d *Decided) (Count, error) {
	var out Count
	if err := media.CheckSight(d.Request, d.info.Vision); err != nil {
		return out, err
	}
	rendered, err := l.render(d)
	if err != nil {
		return out, err
	}
	rendered, videos, err := l.withVideos(ctx, d, rendered)
	if err != nil {
		return out, err
	}
	defer videos.Close()
	text, err := l.engine.Tokenize(ctx, withoutPictures(rendered.Pieces))
	if err != nil {
		return out, err
	}
	for _, image := range d.Request.Images {
		seen, err := l.media.See(ctx, d.Request, image, d.info.Vision)
		if err != nil {
			return out, err
		}
		out.Images = append(out.Images, seen)
		out.ImageTokens += seen.Tokens
	}
	out.Videos = videos.Seen()
	out.VideoTokens = videos.Tokens()
	out.InputTokens = len(text) + out.ImageTokens + out.VideoTokens
	return out, nil
}
