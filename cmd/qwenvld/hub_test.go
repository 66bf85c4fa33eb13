package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/hub/pull"
)

func TestTheTokenIsTheOneThatHuggingFacesToolsWouldTake(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		variables []string
		want      string
	}{
		{[]string{"HOME=" + home}, ""},
		{[]string{"HF_HOME=" + home}, "from-file"},
		{[]string{"HF_TOKEN_PATH=" + file}, "from-file"},
		{[]string{"HF_HOME=" + home, "HUGGING_FACE_HUB_TOKEN=old"}, "old"},
		{[]string{"HUGGING_FACE_HUB_TOKEN=old", "HF_TOKEN=new"}, "new"},
	} {
		if got, err := hubToken(&environment{variables: c.variables}); got != c.want || err != nil {
			t.Errorf("%v: %q, %v", c.variables, got, err)
		}
	}
	if _, err := hubToken(&environment{variables: []string{"HF_TOKEN_PATH=" + home + "/none"}}); err == nil {
		t.Error("a file that is named and not there")
	}
}

func TestOllamasFilesAreRefusedWithTheCommandThatGetsOthers(t *testing.T) {
	for want, foreign := range map[string]*gguf.ForeignError{
		"`qwenvld pull qwen3-vl:8b` gets one":   {Layers: 36, Width: 4096},
		"`qwenvld pull qwen3-vl:SIZE` gets one": {Layers: 7, Width: 7},
	} {
		if err := explainForeign(fmt.Errorf("x.gguf: %w", foreign)); !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	if err := explainForeign(os.ErrNotExist); err != os.ErrNotExist { //nolint:errorlint // unchanged
		t.Error(err)
	}
}

// clocked is a progress with a clock of its own.
func clocked(out *bytes.Buffer, draws bool) (p *progress, advance func(time.Duration)) {
	now := time.Unix(1000, 0)
	p = &progress{out: out, draws: draws, width: func() int { return 72 }, now: func() time.Time { return now }}
	return p, func(d time.Duration) { now = now.Add(d) }
}

func TestProgressAsLines(t *testing.T) {
	var out bytes.Buffer
	p, advance := clocked(&out, false)
	event := func(done int64, note string, complete bool) {
		p.report(pull.Event{File: "a.gguf", Size: 100e6, Done: done, Note: note, Complete: complete})
	}
	event(20e6, "", false)
	for range 20 { // a second each
		advance(time.Second)
		event(p.files[0].Done+1e6, "", false)
	}
	event(p.files[0].Done, "503\x1b[2J; trying again", false)
	event(100e6, "", true)
	p.end()
	event(1, "late", false)
	want := `a.gguf: 20 MB of 100 MB
a.gguf: 30 MB of 100 MB, 1.0 MB/s, 1m10s left
a.gguf: 40 MB of 100 MB, 1.0 MB/s, 1m0s left
a.gguf: 503[2J; trying again
a.gguf: complete, 100 MB
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestProgressAsBars(t *testing.T) {
	var out bytes.Buffer
	p, advance := clocked(&out, true)
	p.report(pull.Event{File: "a-rather-long-name-of-a-file-that-is-cut.gguf", Size: 100e6})
	p.report(pull.Event{File: "b.gguf", Size: 10e6, Done: 5e6}) // too soon to be drawn
	advance(10 * time.Second)
	p.report(pull.Event{File: "b.gguf", Size: 10e6, Done: 10e6, Complete: true})
	p.report(pull.Event{File: "b.gguf", Size: 10e6, Done: 10e6, Complete: true, Note: "x"})
	want := "\x1b[2Ka-rather-long-name-of-a-file-that~ [                    ] 0 B of 100 MB\n" +
		"\x1b[1A\x1b[2Ka-rather-long-name-of-a-file-that~ [                    ] 0 B of 100 MB\n" +
		"\x1b[2Kb.gguf [####################] complete, 10 MB\n" +
		"\x1b[2A\x1b[2Kb.gguf: x\n\x1b[2Ka-rather-long-name-of-a-file-that~ [                    ] 0 B of 100 MB\n" +
		"\x1b[2Kb.gguf [####################] complete, 10 MB\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSizesInWords(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9_960: "10 kB", 999_499: "999 kB", 999_500: "1.0 MB", 1_107_000_000: "1.1 GB", 143e9: "143 GB",
		2e15: "2000 TB",
	} {
		if got := sizeText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestAvailableMemoryIsWithinTheControlGroups(t *testing.T) {
	root := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")}}
	if n := availableMemory(root); n != 2048*1024 {
		t.Error(n)
	}
	root["proc/self/cgroup"] = &fstest.MapFile{Data: []byte("0::/x\n")}
	root["sys/fs/cgroup/x/memory.max"] = &fstest.MapFile{Data: []byte("1000\n")}
	if n := availableMemory(root); n != 1000 {
		t.Error(n)
	}
	if n := availableMemory(fstest.MapFS{}); n != 0 {
		t.Error(n)
	}
}
