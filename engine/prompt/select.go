package prompt

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"strings"
)

// The sha256 of Qwen's own templates, whose texts are not part of this project.
const (
	qwenInstructSHA256 = "3636d0f0bd6bef02654cdffdc447b79cb2cef8ab02cc75267345946291a489e4"
	qwenThinkingSHA256 = "84ed326ccec340f3c775d5a31c0aada290d59819c18e43650aabe14f1d42c839"
)

//go:embed templates/instruct.jinja
var instructTemplate string

//go:embed templates/thinking.jinja
var thinkingTemplate string

// InstructTemplate is a Jinja template that renders what Qwen3-VL's instruct template renders, in this
// project's own words, for model files that this project makes. Select knows it.
func InstructTemplate() string { return instructTemplate }

// ThinkingTemplate is the same for the thinking template.
func ThinkingTemplate() string { return thinkingTemplate }

// ErrNoTemplate means that a model file carries no chat template.
var ErrNoTemplate = errors.New("the model has no chat template")

// Select finds the renderer for a chat template by the template's text: Qwen3-VL's templates and this
// project's versions of them get the native renderers, any other text a Jinja interpreter.
//
// specialTokens are the texts of the model's control and user-defined tokens (engine.Info.SpecialTokens);
// only the Jinja renderer needs them. Select fails when template is empty, too large, does not parse or
// uses what the closed environment leaves out, such as include.
func Select(template string, specialTokens []string) (Renderer, error) {
	if strings.TrimSpace(template) == "" {
		return nil, ErrNoTemplate
	}
	// Jinja drops one newline at the end of a template, and so do tools that store it.
	bare := strings.TrimSuffix(template, "\n")
	for _, text := range []string{bare, bare + "\n"} {
		switch sum := sha256.Sum256([]byte(text)); {
		case hex.EncodeToString(sum[:]) == qwenInstructSHA256, text == instructTemplate:
			return instructRenderer{}, nil
		case hex.EncodeToString(sum[:]) == qwenThinkingSHA256, text == thinkingTemplate:
			return thinkingRenderer{}, nil
		}
	}
	return newJinjaRenderer(template, specialTokens)
}
