package train

import (
	"strings"
	"unicode"
)

// changes of a prompt that do not change what it asks. Each takes the prompt and its number, so that it is repeatable.
func changes() map[string]func(text string, n int) string {
	return map[string]func(string, int) string{
		"upper case":       func(s string, _ int) string { return strings.ToUpper(s) },
		"lower case":       func(s string, _ int) string { return strings.ToLower(s) },
		"spacing":          func(s string, _ int) string { return "  " + strings.ReplaceAll(s, " ", "  ") + "\n" },
		"politeness":       polite,
		"a typing slip":    slip,
		"order of options": turnOptions,
	}
}

// polite puts the courtesy of the prompt's script around it.
func polite(s string, n int) string {
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Hangul, r):
			return "안녕하세요, " + s + " 부탁드립니다."
		case unicode.Is(unicode.Hiragana, r):
			return "すみません、" + s + " よろしくお願いします。"
		case unicode.Is(unicode.Han, r):
			return "您好，请问" + s + "谢谢！"
		}
	}
	if n%2 == 0 {
		return "Please " + s + " Thank you!"
	}
	return "Hi, could you help me with this? " + s
}

// slip swaps two letters within the n-th longer word.
func slip(s string, n int) string {
	words := strings.Fields(s)
	var long []int
	for i, w := range words {
		if len(w) >= 5 {
			long = append(long, i)
		}
	}
	if len(long) == 0 {
		return s
	}
	w := words[long[n%len(long)]]
	r := []rune(w)
	if len(r) < 3 {
		return s
	}
	at := 1 + n%(len(r)-2)
	r[at], r[at+1-boolInt(at+1 == len(r))*2] = r[at+1-boolInt(at+1 == len(r))*2], r[at]
	return strings.Replace(s, w, string(r), 1)
}

func boolInt(b bool) int { return count(b) }

// turnOptions moves the last answer option to the front of the options.
func turnOptions(s string, _ int) string {
	lines := strings.Split(s, "\n")
	first, last := -1, -1
	for i, l := range lines {
		l = strings.TrimLeft(l, " (")
		if len(l) > 2 && (l[0] >= 'A' && l[0] <= 'F') && (l[1] == ')' || l[1] == '.' || l[1] == ':') {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 || last == first {
		return s
	}
	moved := append([]string{}, lines[:first]...)
	moved = append(moved, lines[last])
	moved = append(moved, lines[first:last]...)
	return strings.Join(append(moved, lines[last+1:]...), "\n")
}
