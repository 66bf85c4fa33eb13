package anthropic

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/web"
)

var update = flag.Bool("update", false, "write what the encoder makes of the events into testdata")

var kinds = map[string]generation.EventKind{
	"started": generation.Started, "open": generation.BlockOpen, "text": generation.BlockText, "close": generation.BlockClose,
	"ended": generation.AnswerEnd, "end": generation.End,
}

// Each file holds the events of a run, one a line, or the run in one piece, and what becomes of them.
func TestEventsBecomeMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := txtar.Format(archive)
			e := newEncoder("1", "qwen3-vl-thinking", "req_1")
			var out bytes.Buffer
			var wrote string
			for i := range archive.Files {
				f := &archive.Files[i]
				switch f.Name {
				case "events":
					stream(t, e, f.Data, &out)
					wrote = "stream"
				case "whole":
					out.Reset()
					var whole generation.Whole
					read(t, f.Data, &whole)
					reply, err := json.MarshalIndent(e.whole(&whole), "", "  ")
					if err != nil {
						t.Fatal(err)
					}
					out.Write(append(reply, '\n'))
					wrote = "reply"
				case wrote:
					f.Data = bytes.Clone(out.Bytes())
				default:
					t.Fatalf("%s stands where it is not made", f.Name)
				}
			}
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

func read(t *testing.T, data []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

// stream encodes events, the last of which may be a failure.
func stream(t *testing.T, e *encoder, events []byte, out *bytes.Buffer) {
	t.Helper()
	for line := range strings.Lines(string(events)) {
		var ev struct {
			Kind    string
			Failure *fault.Error
			generation.Event
		}
		read(t, []byte(line), &ev)
		var messages []web.Message
		var err error
		if ev.Failure != nil {
			messages = e.Failure(ev.Failure)
		} else {
			kind, ok := kinds[ev.Kind]
			if !ok {
				t.Fatalf("no kind of event: %s", line)
			}
			ev.Event.Kind = kind
			messages, err = e.Event(&ev.Event)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if m.Event != "" {
				fmt.Fprintf(out, "event: %s\ndata: ", m.Event)
			}
			fmt.Fprintf(out, "%s\n", m.Data)
		}
	}
}
