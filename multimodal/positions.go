package multimodal

// Position is where a token stands on the three axes of MRoPE.
type Position struct{ T, H, W int32 }

// Span is a run of a prompt: text of so many tokens or, with Rows and Cols set, a still image or one frame pair of a
// video, whose tokens form a grid.
type Span struct {
	Tokens     int
	Rows, Cols int
}

// Len is the number of tokens.
func (s Span) Len() int {
	if s.Rows > 0 {
		return s.Rows * s.Cols
	}
	return s.Tokens
}

// Positions lays spans out one after the other (transformers' get_rope_index). Text advances all axes together. The
// tokens of a grid share their time; height and width count from there, and what follows starts behind the larger of
// the two. next is the position of the first token after all spans.
func Positions(spans []Span) (positions []Position, next int32) {
	n := 0
	for _, s := range spans {
		n += s.Len()
	}
	positions = make([]Position, 0, n)
	for _, s := range spans {
		if s.Rows == 0 {
			for range s.Tokens {
				positions = append(positions, Position{next, next, next})
				next++
			}
			continue
		}
		for row := range int32(s.Rows) {
			for col := range int32(s.Cols) {
				positions = append(positions, Position{next, next + row, next + col})
			}
		}
		next += int32(max(s.Rows, s.Cols))
	}
	return positions, next
}
