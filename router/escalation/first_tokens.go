package escalation

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// CandidateCount is how many of the likeliest tokens are worth having at each of the first places of an answer.
const CandidateCount = 20

// Candidate is one of the likeliest tokens at a place of the answer.
type Candidate struct {
	Text    string
	Logprob float64 // natural logarithm, under the model as it is
}

// TokenStats measure how sure the model is of one token.
type TokenStats struct {
	// Entropy is the entropy of the distribution over the candidates and one more outcome, which stands for all tokens
	// that are not candidates. It is divided by the greatest possible entropy, so it lies between 0 and 1.
	Entropy float64
	// Margin is the probability of the likeliest candidate less that of the next, 0 to 1.
	Margin float64
	// LikelyOptions is the size of the smallest set of answer options that holds optionCoverage of the probability of
	// all options. It is 0 where the answer does not begin with an option.
	LikelyOptions int
}

const (
	// optionCoverage is the share of the options' probability that the set of likely options holds, as in conformal
	// prediction.
	optionCoverage = 0.9
	// minOptionMass is the probability that all options must have together for the answer to count as beginning with
	// one.
	minOptionMass = 0.5
	// lastOption is the last letter that marks an option. Options are marked by A to J and by 1 to 9.
	lastOption = 'J'
)

// StatsOf measures a token by its candidates. Candidates that differ only in case, spaces and emphasis count as one.
// listsOptions says that the question lists answer options.
func StatsOf(candidates []Candidate, listsOptions bool) TokenStats {
	var words []string
	var probs []float64
	rest := 1.0
	for _, c := range candidates {
		p := math.Exp(c.Logprob)
		rest -= p
		word := strings.ToUpper(strings.Trim(c.Text, " \n*_`\"'()[].:"))
		if i := slices.Index(words, word); i >= 0 {
			probs[i] += p
			continue
		}
		words, probs = append(words, word), append(probs, p)
	}
	var s TokenStats
	if listsOptions {
		s.LikelyOptions = likelyOptions(words, probs)
	}
	entropy := entropyTerm(max(rest, 0))
	for _, p := range probs {
		entropy += entropyTerm(p)
	}
	s.Entropy = entropy / math.Log(CandidateCount+1)
	slices.SortFunc(probs, descending)
	if len(probs) > 0 {
		s.Margin = probs[0]
	}
	if len(probs) > 1 {
		s.Margin -= probs[1]
	}
	return s
}

// entropyTerm is what an outcome of probability p adds to the entropy.
func entropyTerm(p float64) float64 {
	if p <= 0 {
		return 0
	}
	return -p * math.Log(p)
}

func descending(a, b float64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	default:
		return 0
	}
}

// likelyOptions computes TokenStats.LikelyOptions.
func likelyOptions(words []string, probs []float64) int {
	var options []float64
	total := 0.0
	for i, w := range words {
		if len(w) == 1 && (w[0] >= 'A' && w[0] <= lastOption || w[0] >= '1' && w[0] <= '9') {
			options = append(options, probs[i])
			total += probs[i]
		}
	}
	if total < minOptionMass {
		return 0
	}
	slices.SortFunc(options, descending)
	n, covered := 0, 0.0
	for covered < optionCoverage*total {
		covered += options[n]
		n++
	}
	return n
}

// Thresholds say from where on the model is unsure of how its answer begins.
type Thresholds struct {
	// Tokens is how many of the answer's first tokens are looked at.
	Tokens int
	// Margin is the least margin of a token that the model is sure of.
	Margin float64
	// Entropy is the greatest entropy of a token that the model is sure of.
	Entropy float64
}

// Uncertainty says in words why the model is unsure of how its answer begins, given the stats of the first tokens; it
// is "" where the model is sure. Where the answer begins with an option, only the options count. The model is unsure of
// an answer without tokens.
func (t Thresholds) Uncertainty(first []TokenStats) string {
	if len(first) == 0 {
		return "there is no answer"
	}
	switch n := first[0].LikelyOptions; {
	case n > 1:
		return fmt.Sprintf("%d options are likely", n)
	case n == 1:
		return ""
	}
	for i := range first {
		switch s := &first[i]; {
		case s.Margin < t.Margin:
			return fmt.Sprintf("token %d is a close call", i+1)
		case s.Entropy > t.Entropy:
			return fmt.Sprintf("token %d is open", i+1)
		}
	}
	return ""
}

// SettlesOnOption reports whether the answer begins with an option beside which no other option is likely. Where the
// router chose thinking, only this speaks for instruct: a model is sure of how it begins a sentence whether the
// sentence is right or wrong.
func SettlesOnOption(first []TokenStats) bool { return len(first) > 0 && first[0].LikelyOptions == 1 }
