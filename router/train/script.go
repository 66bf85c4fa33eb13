package train

import "unicode"

// scriptOf is the script that most of a text's letters are of, in words for reports. Texts with more than a few kana
// are Japanese, whatever else is in them. Latin text is English or not by the example's tag: its letters do not say.
func scriptOf(e *Example) string {
	var n [len(scripts)]int
	kana, letters := 0, 0
	for _, r := range e.Text {
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		if unicode.In(r, unicode.Hiragana, unicode.Katakana) {
			kana++
			continue
		}
		for i := range scripts {
			if unicode.Is(scripts[i].table, r) {
				n[i]++
				break
			}
		}
	}
	const few = 12 // one letter in so many
	if kana*few > letters {
		return "Japanese"
	}
	best := 0
	for i := range n {
		if n[i] > n[best] {
			best = i
		}
	}
	if best == 0 && e.Lang == "en" {
		return "Latin, English"
	}
	return scripts[best].name
}

// scripts that prompts are written in.
var scripts = [...]struct {
	name  string
	table *unicode.RangeTable
}{
	{"Latin, others", unicode.Latin},
	{"Chinese", unicode.Han},
	{"Korean", unicode.Hangul},
	{"Cyrillic", unicode.Cyrillic},
	{"Thai", unicode.Thai},
	{"Devanagari", unicode.Devanagari},
	{"Arabic", unicode.Arabic},
}

// scriptNames are the results of scriptOf, in the order of reports.
func scriptNames() []string {
	out := []string{"Latin, English", "Chinese", "Korean", "Japanese"}
	for _, s := range scripts {
		if s.table != unicode.Han && s.table != unicode.Hangul {
			out = append(out, s.name)
		}
	}
	return out
}
