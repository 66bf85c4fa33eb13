package compute

import "github.com/qwenvld/qwenvld/internal/repetition"

const (
	// loopEvery is how many tokens apart a think block is looked at for a loop.
	loopEvery = 16
	// loopTokens and loopTimes are the least that a loop's repetitions take together, and their least number: shorter
	// ones, such as a row of a table, end by themselves.
	loopTokens = 96
	loopTimes  = 6
	// loopPeriod is the longest repetition that is found, in tokens.
	loopPeriod = 128
)

// An answer may repeat itself for good reasons: a table with empty rows, a list of zeros, encoded bytes, the page that
// it reads. A page holds about a thousand tokens, so that twice as many that only repeat themselves are none; of whole
// paragraphs, which nothing repeats word for word, fewer will do.
const (
	answerTokens    = 2048
	paragraph       = 64
	paragraphTokens = 1024
	paragraphTimes  = 8
	answerPeriod    = 512
)

// loops reports whether the end of a think block's tokens only repeats itself.
func loops(tokens []int32) bool {
	return repetition.AtEnd(tokens, repetition.Rule{
		Longest: loopPeriod, Length: func(part int) int { return max(loopTokens, loopTimes*part) },
	})
}

// answerLoops reports the same of an answer.
func answerLoops(tokens []int32) bool {
	return repetition.AtEnd(tokens, repetition.Rule{Longest: answerPeriod, Length: func(part int) int {
		if part < paragraph {
			return answerTokens
		}
		return max(paragraphTokens, paragraphTimes*part)
	}})
}
