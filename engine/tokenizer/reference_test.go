package tokenizer_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/engine/tokenizer"
)

// tools/reference/tokenizer_goldens.py --out writes such a folder for another vocabulary.
var reference = flag.String("reference", "", "folder with vocabulary.gguf and goldens.jsonl.gz in place of the demo pair's")

const demoVocabulary = "../../internal/demopair/weights/instruct.gguf"

func vocabularyPath() string {
	if *reference != "" {
		return filepath.Join(*reference, "vocabulary.gguf")
	}
	return demoVocabulary
}

func load(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	f, err := gguf.Read(vocabularyPath())
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.New(f.Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func encode(t testing.TB, tok *tokenizer.Tokenizer, text string, control bool) []int32 {
	t.Helper()
	ids, err := tok.Encode(t.Context(), []tokenizer.Piece{{Text: text, Control: control}}, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// golden is a text and what `tokenizers` makes of it.
type golden struct {
	text    string
	control bool
	count   int
	hash    string
}

func goldens(t *testing.T) []golden {
	t.Helper()
	folder := *reference
	if folder == "" {
		folder = "testdata"
	}
	f, err := os.Open(filepath.Join(folder, "goldens.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		g, err := parseGolden(lines.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		out = append(out, g)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func parseGolden(line []byte) (g golden, err error) {
	var fields []json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return g, err
	}
	if len(fields) == 4 {
		g.control, fields = true, fields[1:]
	}
	if len(fields) != 3 {
		return g, fmt.Errorf("%d fields", len(fields))
	}
	if err := json.Unmarshal(fields[0], &g.text); err != nil {
		var runs [][2]json.RawMessage
		if err := json.Unmarshal(fields[0], &runs); err != nil {
			return g, err
		}
		for _, r := range runs {
			var unit string
			var times int
			if err := json.Unmarshal(r[0], &unit); err != nil {
				return g, err
			}
			if err := json.Unmarshal(r[1], &times); err != nil {
				return g, err
			}
			g.text += strings.Repeat(unit, times)
		}
	}
	if err := json.Unmarshal(fields[1], &g.count); err != nil {
		return g, err
	}
	return g, json.Unmarshal(fields[2], &g.hash)
}

func hash(ids []int32) string {
	h := fnv.New64a()
	for _, id := range ids {
		_, _ = h.Write([]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)})
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

func TestEqualsTheReference(t *testing.T) {
	tok := load(t)
	all := goldens(t)
	if len(all) < 5000 {
		t.Fatalf("%d texts", len(all))
	}
	wrong := 0
	for _, g := range all {
		// Twice, so that remembered words are compared too.
		for range 2 {
			ids := encode(t, tok, g.text, g.control)
			if len(ids) == g.count && hash(ids) == g.hash {
				continue
			}
			if wrong++; wrong <= 20 {
				t.Errorf("%.80q (%d bytes): %d tokens, expected %d; %.200v", g.text, len(g.text), len(ids), g.count, ids)
			}
			break
		}
	}
	t.Logf("%d texts, %d wrong", len(all), wrong)
}
