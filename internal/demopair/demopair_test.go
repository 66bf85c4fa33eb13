package demopair

import (
	"os"
	"strings"
	"testing"
)

func TestExtractWritesEachFileOnce(t *testing.T) {
	dir := t.TempDir()
	first, err := Extract(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{first.Instruct, first.Thinking, first.Projector}
	var before []os.FileInfo
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, info)
	}
	// A file that was cut short is written again, the others stay.
	if err := os.Truncate(first.Thinking, 10); err != nil {
		t.Fatal(err)
	}
	second, err := Extract(dir)
	if err != nil || second != first {
		t.Fatalf("%+v, %v", second, err)
	}
	for i, f := range files {
		info, err := os.Stat(f)
		if err != nil || info.Size() != before[i].Size() {
			t.Fatalf("%s: %v", f, err)
		}
		if f != first.Thinking && !os.SameFile(info, before[i]) {
			t.Errorf("%s was written again", f)
		}
	}
}

func TestExtractSaysWhyItCannotWrite(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Extract(file); err == nil {
		t.Error("wrote below a file")
	}
}

func TestTheTourHasACommandForEachExample(t *testing.T) {
	examples, err := Examples()
	if err != nil || len(examples) == 0 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	text, err := Tour("curl -s http://127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		if !strings.Contains(text, e.Command("curl -s http://127.0.0.1:8080")) {
			t.Errorf("no command for %s", e.Skill)
		}
		if _, err := os.Stat("../../examples/" + e.Skill + ".json"); err != nil {
			t.Error(err)
		}
	}
}
