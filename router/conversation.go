package router

import (
	"unicode"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/router/phrases"
)

// Mode is how a conversation stands between two turns. The zero Mode is a new conversation's.
type Mode struct {
	// Variant answered last, empty for Instruct by default.
	Variant Variant
	// Easy counts the easy turns in a row that Thinking answered since the last hard one.
	Easy int
}

const (
	// easyTurns is after how many easy turns in a row a conversation goes back to Instruct.
	easyTurns = 2
	// maxHistory bounds the turns that are looked at again where no Mode was kept.
	maxHistory = 8
)

// after is the mode after a turn. A hard turn goes to Thinking at once. An easy turn leaves a thinking conversation
// only when it is the second in a row. A short follow-up changes nothing. Where the conversation decided, and not the
// turn, reason says so.
func (m Mode) after(hard, followUp bool) (next Mode, reason string) {
	switch {
	case hard:
		return Mode{Variant: Thinking}, ""
	case m.Variant != Thinking:
		return Mode{Variant: Instruct}, ""
	case followUp:
		return m, reasonFollowUp
	case m.Easy+1 < easyTurns:
		return Mode{Variant: Thinking, Easy: m.Easy + 1}, reasonConversation
	default:
		return Mode{Variant: Instruct}, ""
	}
}

// modeBefore is the mode that was kept, or what the earlier turns alone lead to.
func (r *Router) modeBefore(in *Input, quality float64) Mode {
	if in.Mode != nil {
		return *in.Mode
	}
	var m Mode
	history := in.History[max(0, len(in.History)-maxHistory):]
	for i := range history {
		f := &history[i]
		if p, ok := phrases.Find(f.Text); ok {
			m = Mode{Variant: variantFor(p.Think)}
			continue
		}
		a := r.scorer.Assess(f)
		hard := a.Thinking-a.Instruct > r.scorer.Price(a.Tokens, quality)
		m, _ = m.after(hard, i > 0 && isFollowUp(f))
	}
	return m
}

// isFollowUp recognises a turn too short to stand for itself: "why?", "继续", "계속", "and the second one?".
func isFollowUp(f *Features) bool {
	const shortWords, shortWide, tooLong = 5, 8, 64
	if f.Images > 0 || len(f.Text) > tooLong {
		return false
	}
	words, wide, inWord := 0, 0, false
	for _, r := range f.Text {
		switch {
		case isWide(r):
			wide++
			inWord = false
		case unicode.IsLetter(r) || unicode.IsMark(r) || r == '\'' || r == '’':
			if !inWord {
				words++
			}
			inWord = true
		case unicode.IsDigit(r):
			return false // a new task more often than not
		default:
			inWord = false
		}
	}
	return words <= shortWords && wide <= shortWide && words+wide > 0
}

// isWide reports whether r is a letter of a script whose words are one or two characters.
func isWide(r rune) bool { return r >= 0x2e80 && utf8.RuneLen(r) >= 3 && unicode.IsLetter(r) }
