package difficulty

import (
	"bytes"
	_ "embed" // the table of concepts
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// conceptTable has a concept a line: its name, a colon, and the words for it in sixteen languages. An underscore joins
// two words, a star stands for any ending.
//
//go:embed concepts.txt
var conceptTable string

const (
	// maxConcepts is how many concepts a set of them can hold.
	maxConcepts = 128
	// shortestPrefix and longestPrefix bound the letters of a word before its star.
	shortestPrefix, longestPrefix = 3, 9
	sieveBits                     = 15
)

// lexicon finds concepts by the hashes of words, of pairs of words and of n-grams. Languages share the weights of a
// concept, so that what is learnt of a word in one of them is known of its translations.
type lexicon struct {
	names []string
	// sieve has a bit for each key, by its last bits: most words are no concept's, and a look here tells.
	sieve [1 << sieveBits / 64]uint64
	found map[uint32]meaning
}

// conceptSet has a bit for each concept.
type conceptSet [maxConcepts / 64]uint64

func (s *conceptSet) add(concept uint8) { s[concept/64] |= 1 << (concept % 64) }

func (s *conceptSet) has(concept int) bool { return s[concept/64]&(1<<(concept%64)) != 0 }

func (s *conceptSet) count() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// meaning is a concept with what must stand before the end of its key, where the key says less than the whole word.
type meaning struct {
	concept uint8
	rest    string // of a run of n-grams, what follows the first three characters
}

var concepts = newLexicon(norm.NFKC.String(conceptTable)) // texts are looked at in NFKC, too

func newLexicon(table string) *lexicon {
	l := &lexicon{found: map[uint32]meaning{}}
	for line := range strings.Lines(table) {
		name, words, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		if len(l.names) == maxConcepts {
			panic(fmt.Sprintf("difficulty: more than %d concepts", maxConcepts))
		}
		for _, w := range strings.Fields(words) {
			l.add(w, uint8(len(l.names)))
		}
		l.names = append(l.names, name)
	}
	return l
}

func (l *lexicon) add(word string, concept uint8) {
	m := meaning{concept: concept}
	first, second, two := strings.Cut(word, "_")
	r, _ := utf8.DecodeRuneInString(word)
	var key uint32
	switch stem, open := strings.CutSuffix(word, "*"); {
	case inGrams(r):
		runes := []rune(word)
		key = gramKey(runes[:min(len(runes), 3)])
		m.rest = string(runes[min(len(runes), 3):])
	case two:
		key = hash(hash(seedPair, wordKey(first)), wordKey(second))
	case open:
		key = prefixKey(rawWord(stem))
	default:
		key = wordKey(word)
	}
	if _, taken := l.found[key]; taken {
		return // the first line counts
	}
	l.found[key] = m
	l.sieve[key>>6&(1<<(sieveBits-6)-1)] |= 1 << (key & 63)
}

// rawWord, wordKey and gramKey are the hashes that the scan has at hand.
func rawWord(w string) uint32 {
	h := seedWord
	for _, r := range w {
		h = h*0x01000193 ^ uint32(r)
	}
	return h
}

func wordKey(w string) uint32 { return hash(seedWord, rawWord(w)) }

func prefixKey(raw uint32) uint32 { return hash(seedStem, raw) }

func gramKey(runes []rune) uint32 {
	h := seedGram
	for _, r := range runes {
		h = hash(h, uint32(r))
	}
	return h
}

// concept notes the concept that a key stands for, if any. rest is the text after the key's last character.
func (e *extraction) concept(key uint32, rest []byte) {
	if concepts.sieve[key>>6&(1<<(sieveBits-6)-1)]&(1<<(key&63)) == 0 {
		return
	}
	m, ok := concepts.found[key]
	if !ok || m.rest != "" && !bytes.HasPrefix(rest, []byte(m.rest)) {
		return
	}
	if e.asking {
		e.askedConcepts.add(m.concept)
	} else {
		e.concepts.add(m.concept)
	}
}
