package schedule

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

// loops reports whether the end of tokens only repeats itself.
func loops(tokens []int32) bool {
	n := len(tokens)
	for period := 1; period <= loopPeriod; period++ {
		length := max(loopTokens, loopTimes*period)
		if length > n {
			return false
		}
		same := true
		for i := n - 1; i >= n-length+period; i-- {
			if tokens[i] != tokens[i-period] {
				same = false
				break
			}
		}
		if same {
			return true
		}
	}
	return false
}
