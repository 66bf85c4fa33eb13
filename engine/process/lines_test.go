package process

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEachLineGoesOnAfterLongOnes(t *testing.T) {
	const limit = 16
	long, fits := strings.Repeat("x", 5*limit), strings.Repeat("y", limit-1)
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"empty":              {"", nil},
		"empty lines":        {"\n\na\n\n", []string{"a"}},
		"no end of line":     {"a\nb", []string{"a", "b"}},
		"as long as may be":  {fits + "\nb\n", []string{fits, "b"}},
		"longer":             {long + "\nb\n", []string{long[:limit] + "...", "b"}},
		"longer, at the end": {"a\n" + long, []string{"a", long[:limit] + "..."}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			eachLine(strings.NewReader(tc.in), limit, func(line string) { got = append(got, line) })
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
