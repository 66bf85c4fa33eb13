package tokenizer

// byteAlphabet gives the character that stands for each byte: printable ones of Latin-1 for themselves, the others from
// U+0100 on.
func byteAlphabet() (letters [256]rune) {
	next := rune(0x100)
	for b := range rune(256) {
		if (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xff && b != 0xad) {
			letters[b] = b
			continue
		}
		letters[b] = next
		next++
	}
	return letters
}

// Alphabet reads tokens as the vocabularies of GPT-2 and Qwen write them, in which each byte is a printable character.
// It holds the byte that each character stands for, negative where it stands for none.
type Alphabet []int16

// NewAlphabet returns the one that there is.
func NewAlphabet() Alphabet {
	var values Alphabet
	for b, r := range byteAlphabet() {
		for len(values) <= int(r) {
			values = append(values, -1)
		}
		values[r] = int16(b)
	}
	return values
}

// Bytes are those that a token's characters stand for, false where one of them stands for none.
func (a Alphabet) Bytes(token string) ([]byte, bool) {
	out := make([]byte, 0, len(token))
	for _, r := range token {
		if int(r) >= len(a) || a[r] < 0 {
			return nil, false
		}
		out = append(out, byte(a[r]))
	}
	return out, true
}
