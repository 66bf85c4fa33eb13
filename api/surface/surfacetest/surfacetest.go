// Package surfacetest tests the encoders of surfaces from files, without a server: the events of a run go in, and what
// a client would be sent is compared with what the file says.
//
// It is for tests alone. It must not know any surface: what encodes is given to it.
package surfacetest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

var update = flag.Bool("update", false, "write what the encoder makes of the events into testdata")

// Encoding is how a surface encodes one run.
type Encoding struct {
	surface.Encoder

	// Whole makes the reply in one piece; nil where the files have none.
	Whole func(*generation.Whole) any
	// Opening are the messages before the first event; nil where there are none.
	Opening func() ([]web.Message, error)
	// Own gives the messages of kinds of events that no other surface has.
	Own map[string]func() ([]web.Message, error)
}

// Run runs every file in testdata as a test of its own. A file holds "events", one a line, and the "stream" that
// becomes of them, or a "whole" run and the "reply", or both. A "request" before them is handed to begin, which makes
// the encoding of one run. With -update the files get what the encoder makes.
func Run(t *testing.T, begin func(t *testing.T, request []byte) Encoding) {
	t.Helper()
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
			encode(t, archive, begin)
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

// encode puts into the archive what the encoder makes. The stream and the reply are encoded on their own, as for two
// clients.
func encode(t *testing.T, archive *txtar.Archive, begin func(*testing.T, []byte) Encoding) {
	t.Helper()
	var request, made []byte
	var due string
	for i := range archive.Files {
		f := &archive.Files[i]
		switch {
		case f.Name == due:
			f.Data, due = made, ""
		case due != "":
			t.Fatalf("%s stands where %s belongs", f.Name, due)
		case f.Name == "request":
			request = f.Data
		case f.Name == "events":
			made, due = stream(t, begin(t, request), f.Data), "stream"
		case f.Name == "whole":
			made, due = reply(t, begin(t, request), f.Data), "reply"
		default:
			t.Fatalf("%s is no part of such a file", f.Name)
		}
	}
	if due != "" || made == nil {
		t.Fatalf("the file ends without %s", due)
	}
}

func reply(t *testing.T, e Encoding, data []byte) []byte {
	t.Helper()
	if e.Whole == nil {
		t.Fatal("nothing makes replies in one piece")
	}
	var whole generation.Whole
	read(t, data, &whole)
	out, err := json.MarshalIndent(e.Whole(&whole), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func stream(t *testing.T, e Encoding, events []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	write := func(messages []web.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if m.Event != "" {
				fmt.Fprintf(&out, "event: %s\ndata: ", m.Event)
			}
			fmt.Fprintf(&out, "%s\n", m.Data)
		}
	}
	if e.Opening != nil {
		write(e.Opening())
	}
	for text := range bytes.Lines(events) {
		var l line
		read(t, text, &l)
		switch own := e.Own[l.Kind]; {
		case l.Failure != nil:
			write(e.Failure(l.Failure, "req_1"), nil)
		case own != nil:
			write(own())
		default:
			l.Event.Kind = kind(t, l.Kind)
			write(e.Event(&l.Event))
		}
	}
	return out.Bytes()
}

// line is an event of a run, or the failure that ends it.
type line struct {
	Kind    string
	Failure *fault.Error
	generation.Event
}

func kind(t *testing.T, name string) generation.EventKind {
	t.Helper()
	switch name {
	case "started":
		return generation.Started
	case "open":
		return generation.BlockOpen
	case "text":
		return generation.BlockText
	case "close":
		return generation.BlockClose
	case "ended":
		return generation.AnswerEnd
	case "end":
		return generation.End
	}
	t.Fatalf("no kind of event: %q", name)
	return 0
}

func read(t *testing.T, data []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}
