package prompt

import (
	"fmt"
	"testing"
)

// BenchmarkShow renders long conversations with tools and pictures, with Qwen's templates in Go and in the interpreter.
func BenchmarkShow(b *testing.B) {
	c := &Conversation{AddGenerationPrompt: true, Tools: rawList(`{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"number"}}}}}`)}
	for i := range 40 {
		c.Messages = append(c.Messages,
			Message{Role: "user", Content: ListContent(Part{Kind: PartText, Text: fmt.Sprintf("What is in picture %d?", i)}, Part{Kind: PartImage, Media: i})},
			Message{Role: "assistant", Content: TextContent("A few words about it, <b>bold</b> ones among them.")})
	}
	c.Messages = append(c.Messages, user("And now?"))
	for name, r := range map[string]Renderer{"native": instructRenderer{}, "interpreted": foreign(b, InstructTemplate(), controlTokens)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Show(r, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("interpreted, at once", func(b *testing.B) {
		r := foreign(b, InstructTemplate(), controlTokens)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := Show(r, c); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
