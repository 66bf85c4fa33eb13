package generation

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

var update = flag.Bool("update", false, "write the blocks that answers are cut into to testdata")

// numbered makes ids that differ.
func numbered() func() string {
	n := 0
	return func() string {
		n++
		return strconv.Itoa(n)
	}
}

// asked is what of a request matters to how an answer is cut.
type asked struct {
	Callable               []string
	Logprobs               bool
	Top                    int
	Hide, Merge, Plaintext bool
}

// Each file holds what was asked for, an engine's events, one a line, and the blocks that these are cut into.
func TestAnswersAreCutIntoBlocks(t *testing.T) {
	files, err := filepath.Glob("testdata/blocks/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil || len(archive.Files) != 3 {
				t.Fatalf("%+v, %v", archive, err)
			}
			want := txtar.Format(archive)
			archive.Files[2].Data = blocksOf(t, archive.Files[0].Data, archive.Files[1].Data)
			got := txtar.Format(archive)
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func blocksOf(t *testing.T, options, events []byte) []byte {
	t.Helper()
	var o asked
	strictly(t, options, &o)
	a := &answer{newID: numbered(), plain: o.Plaintext, request: &request.Request{
		Callable: o.Callable, Logprobs: o.Logprobs, TopLogprobs: o.Top, HideReasoning: o.Hide, MergeReasoning: o.Merge,
	}}
	var out bytes.Buffer
	for text := range bytes.Lines(events) {
		var ev engine.Event
		strictly(t, text, &ev)
		cut := a.cut(&ev)
		for i := range cut {
			describe(&out, &cut[i])
		}
	}
	return out.Bytes()
}

func strictly(t *testing.T, data []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

// describe writes an event in a line.
func describe(out *bytes.Buffer, ev *Event) {
	switch ev.Kind {
	case Started:
		out.WriteString("started")
	case Progress:
		fmt.Fprintf(out, "progress, answers: %v", ev.Step.Answers)
	case BlockOpen:
		fmt.Fprintf(out, "open %s %s %s", ev.Block.Kind, ev.Block.Name, ev.Block.ID)
	case BlockText:
		fmt.Fprintf(out, "%s %q", ev.Block.Kind, ev.Text)
	case BlockClose:
		fmt.Fprintf(out, "close %s", ev.Block.Kind)
		if ev.Cut {
			out.WriteString(", cut")
		}
	case AnswerEnd:
		fmt.Fprintf(out, "ended by %s %s, told: %v", ev.Ending.Finish, ev.Ending.StopString, ev.Ending.Told)
	case End:
		out.WriteString("end")
	}
	for i := range ev.Tokens {
		fmt.Fprintf(out, " [%q %d]", ev.Tokens[i].Bytes, len(ev.Tokens[i].Top))
	}
	line := strings.TrimRight(out.String(), " ")
	out.Reset()
	out.WriteString(line + "\n")
}
