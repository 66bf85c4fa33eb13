package responses

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

var update = flag.Bool("update", false, "write what becomes of the events into testdata")

// numbered makes ids that differ.
func numbered() func() string {
	n := 0
	return func() string {
		n++
		return strconv.Itoa(n)
	}
}

func testPolicy() *request.Policy {
	return &request.Policy{Limits: request.DefaultLimits(), Unknown: &request.Unknown{}}
}

// decodeBody decodes a body that goes on from earlier lists of items.
func decodeBody(t *testing.T, body string, earlier ...string) (*createRequest, error) {
	t.Helper()
	policy := testPolicy()
	root, err := policy.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	lists := make([]json.RawMessage, len(earlier))
	for i := range earlier {
		lists[i] = json.RawMessage(earlier[i])
	}
	return newBodyReader(policy, numbered()).decode(root, lists)
}

// newTestEncoder is the encoder of a response to body.
func newTestEncoder(t *testing.T, body string) *encoder {
	t.Helper()
	req, err := decodeBody(t, body)
	if err != nil {
		t.Fatal(err)
	}
	kept := true
	req.Store = &kept
	response := newResponse(req, "resp_1")
	response.CreatedAt, response.Model = 1_700_000_000, "qwen3-vl-thinking"
	response.echoSampling(&engine.Sampling{Temperature: 0.6, TopP: 0.95, PresencePenalty: 1.5})
	now := func() time.Time { return time.Unix(1_700_000_009, 0) }
	return &encoder{builder: &builder{response: response, now: now}}
}

var eventKinds = map[string]generation.EventKind{
	"started": generation.Started, "open": generation.BlockOpen, "text": generation.BlockText,
	"close": generation.BlockClose, "ended": generation.AnswerEnd, "end": generation.End,
}

// Each file holds the body of a request, the events of its run, one a line, and the events of the response. A run may
// end with a failure, one in the background with a cancellation.
func TestEventsOfARunBecomeThoseOfAResponse(t *testing.T) {
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
			if len(archive.Files) != 3 {
				t.Fatalf("%d parts", len(archive.Files))
			}
			want := txtar.Format(archive)
			e := newTestEncoder(t, string(archive.Files[0].Data))
			archive.Files[2].Data = encodeAll(t, e, archive.Files[1].Data)
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

func encodeAll(t *testing.T, e *encoder, events []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if e.builder.response.Background {
		write(t, &out)(e.encode(e.builder.announce()))
	}
	for line := range bytes.Lines(events) {
		var ev struct {
			Kind    string
			Failure *fault.Error
			generation.Event
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&ev); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		switch kind, ok := eventKinds[ev.Kind]; {
		case ev.Failure != nil:
			write(t, &out)(e.Failure(ev.Failure), nil)
		case ev.Kind == "cancelled":
			write(t, &out)(e.encode(e.builder.cancel()))
		case ok:
			ev.Event.Kind = kind
			write(t, &out)(e.Event(&ev.Event))
		default:
			t.Fatalf("no kind of event: %s", line)
		}
	}
	return out.Bytes()
}

// write writes messages as a client sees them, and fails the test where they could not be made.
func write(t *testing.T, out *bytes.Buffer) func([]web.Message, error) {
	return func(messages []web.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			fmt.Fprintf(out, "event: %s\ndata: %s\n", m.Event, m.Data)
		}
	}
}

// JSON has no infinite numbers. A response that cannot be told because of one still ends, by numbers without a gap.
func TestAResponseThatCannotBeEncodedEndsNevertheless(t *testing.T) {
	e := newTestEncoder(t, `{"input":"hi","include":["message.output_text.logprobs"]}`)
	var told []web.Message
	content := generation.Block{Kind: generation.Content}
	for _, ev := range []generation.Event{
		{Kind: generation.Started},
		{Kind: generation.BlockOpen, Block: content},
		{Kind: generation.BlockText, Block: content, Text: "a", Tokens: []engine.Token{{Bytes: []byte("a"), Logprob: -1}}},
	} {
		messages, err := e.Event(&ev)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, messages...)
	}
	broken := generation.Event{
		Kind: generation.BlockText, Block: content, Text: "b",
		Tokens: []engine.Token{{Bytes: []byte("b"), Logprob: math.Inf(-1)}},
	}
	if messages, err := e.Event(&broken); err == nil || messages != nil {
		t.Fatalf("%s, %v", messages, err)
	}
	told = append(told, e.Failure(&fault.Error{Status: 500, Message: "sorry"})...)
	for i := range told {
		if want := fmt.Sprintf(`"sequence_number":%d,`, i); !bytes.Contains(told[i].Data, []byte(want)) {
			t.Errorf("event %d is %s", i, told[i].Data)
		}
	}
	last := told[len(told)-1]
	if last.Event != "response.failed" || !strings.Contains(string(last.Data), `"output":[]`) ||
		!strings.Contains(string(last.Data), `"message":"sorry"`) {
		t.Errorf("the last is %s", last.Data)
	}
}
