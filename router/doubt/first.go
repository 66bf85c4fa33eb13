package doubt

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Candidates is how many of the likeliest first tokens are worth reading.
const Candidates = 20

// Candidate is one of the likeliest first tokens.
type Candidate struct {
	Text    string
	Logprob float64 // natural logarithm, under the model as it is
}

// Signs are what the distribution of one of the first tokens shows.
type Signs struct {
	// Entropy is that of the candidates and of everything else taken as one more, as a share of the greatest possible.
	Entropy float64
	// Margin is by how much the likeliest candidate is likelier than the next, 0 to 1.
	Margin float64
	// Options is the size of the smallest set of answer options that holds optionCoverage of what all options have together; 0 where
	// the answer does not begin with one.
	Options int
}

const (
	// optionCoverage is the share of the options' probability that the set of likely ones holds, as in conformal prediction.
	optionCoverage = 0.9
	// optionShare is how likely options must be together for the answer to begin with one.
	optionShare = 0.5
	// lastOption ends the letters and digits that mark options: A to J and 1 to 9.
	lastOption = 'J'
)

// Read reads the likeliest first tokens. Tokens that differ in case, spaces and emphasis only are one. asked says that the question
// lists options.
func Read(candidates []Candidate, asked bool) Signs {
	var words []string
	var shares []float64
	rest := 1.0
	for _, c := range candidates {
		p := math.Exp(c.Logprob)
		rest -= p
		word := strings.ToUpper(strings.Trim(c.Text, " \n*_`\"'()[].:"))
		if i := slices.Index(words, word); i >= 0 {
			shares[i] += p
			continue
		}
		words, shares = append(words, word), append(shares, p)
	}
	var s Signs
	if asked {
		s.Options = likelyOptions(words, shares)
	}
	entropy := plogp(max(rest, 0))
	for _, p := range shares {
		entropy += plogp(p)
	}
	s.Entropy = entropy / math.Log(Candidates+1)
	slices.SortFunc(shares, descending)
	if len(shares) > 0 {
		s.Margin = shares[0]
	}
	if len(shares) > 1 {
		s.Margin -= shares[1]
	}
	return s
}

func plogp(p float64) float64 {
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

func likelyOptions(words []string, shares []float64) int {
	var options []float64
	total := 0.0
	for i, w := range words {
		if len(w) == 1 && (w[0] >= 'A' && w[0] <= lastOption || w[0] >= '1' && w[0] <= '9') {
			options = append(options, shares[i])
			total += shares[i]
		}
	}
	if total < optionShare {
		return 0
	}
	slices.SortFunc(options, descending)
	n, held := 0, 0.0
	for held < optionCoverage*total {
		held += options[n]
		n++
	}
	return n
}

// Limits say from where on the beginning of an answer is doubtful.
type Limits struct {
	// Tokens is how many of the answer's first tokens are read.
	Tokens  int
	Margin  float64 // doubtful below it
	Entropy float64 // doubtful above it
}

// Doubt says in words why an answer whose first tokens show such signs is doubtful, "" if it is not. Where it begins with an option,
// only the options count. An answer without tokens is doubtful.
func (l Limits) Doubt(first []Signs) string {
	if len(first) == 0 {
		return "there is no answer"
	}
	switch n := first[0].Options; {
	case n > 1:
		return fmt.Sprintf("%d options are likely", n)
	case n == 1:
		return ""
	}
	for i := range first {
		switch s := &first[i]; {
		case s.Margin < l.Margin:
			return fmt.Sprintf("token %d is a close call", i+1)
		case s.Entropy > l.Entropy:
			return fmt.Sprintf("token %d is open", i+1)
		}
	}
	return ""
}

// Certain reports that the answer begins with an option beside which no other is likely. That alone speaks for instruct where thinking
// was chosen: the beginning of a sentence is certain, right or wrong.
func Certain(first []Signs) bool { return len(first) > 0 && first[0].Options == 1 }
