package compute

const (
	// loopEvery is how many tokens apart a think block is looked at for a loop.
	loopEvery = 16
	// loopTokens and loopTimes are the least that a loop's repetitions take together, and their least number: shorter ones, such as
	// a row of a table, end by themselves.
	loopTokens = 96
	loopTimes  = 6
	// loopPeriod is the longest repetition that is found, in tokens.
	loopPeriod = 128
)

// An answer may repeat itself for good reasons: a form with empty rows, a list of zeros, encoded bytes, the page that it reads. A page
// holds about a thousand tokens, so that twice as many that only repeat themselves are none; of whole paragraphs, which nothing repeats
// word for word, fewer will do.
const (
	answerTokens    = 2048
	paragraph       = 64
	paragraphTokens = 1024
	paragraphTimes  = 8
	answerPeriod    = 512
)

// loops reports whether the end of a think block's tokens only repeats itself.
func loops(tokens []int32) bool {
	return repeats(tokens, loopPeriod, loopTokens, func(period int) int { return max(loopTokens, loopTimes*period) })
}

// answerLoops reports the same of an answer.
func answerLoops(tokens []int32) bool {
	return repeats(tokens, answerPeriod, paragraphTokens, func(period int) int {
		if period < paragraph {
			return answerTokens
		}
		return max(paragraphTokens, paragraphTimes*period)
	})
}

// repeats reports whether tokens end in repetitions of one part that take together what need says of its length. The part is the
// shortest one, of at most longest tokens, that the last few tokens repeat.
func repeats(tokens []int32, longest, few int, need func(period int) int) bool {
	for period := 1; period <= longest; period++ {
		if periodic(tokens, period, max(few, 2*period)) {
			return periodic(tokens, period, need(period))
		}
	}
	return false
}

// periodic reports whether each of the last length tokens is what stands period tokens before it, as far as that is among them.
func periodic(tokens []int32, period, length int) bool {
	n := len(tokens)
	if length > n {
		return false
	}
	for i := n - 1; i >= n-length+period; i-- {
		if tokens[i] != tokens[i-period] {
			return false
		}
	}
	return true
}
