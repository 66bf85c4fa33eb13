package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// prompts are text questions: chains that the pair has to think about, and greetings.
func prompts(n int) string {
	var out strings.Builder
	for i := range n {
		a, b, c := 7+i%13, 3+i%17, 2+i%5
		fmt.Fprintf(&out, `{"text": "Start with %d, add %d, subtract %d, add %d. What is the result?", "answer": %d, "kind": "chain"}`+"\n",
			a, b, c, a+1, a+b-c+a+1)
		hello := []string{"Hello", "Hi there", "Good morning", "Who are you?", "What are you?"}[i%5]
		fmt.Fprintf(&out, `{"messages": [{"role": "user", "content": "%s%s"}]}`+"\n", hello, strings.Repeat("!", i/5))
	}
	return out.String()
}

func TestCalibrateAsksThePair(t *testing.T) {
	d := serve(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("prompts.jsonl"), []byte(prompts(40)), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (stdout, stderr string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary(t), args...)
		var out, notes bytes.Buffer
		cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &notes, dir
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, notes.String())
		}
		return out.String(), notes.String()
	}
	calibrate := []string{"router", "calibrate", "prompts.jsonl", "--n", "70", "--url", d.url + "/v1", "--curve", "curve.svg", "-o", "first"}
	table, notes := run(calibrate...)
	if !strings.Contains(notes, "70 prompts: 0 known from before, 70 asked now") || !strings.Contains(table, "| quality 5 |") {
		t.Fatalf("%s%s", notes, table)
	}
	if picture, err := os.ReadFile(path("curve.svg")); err != nil || !bytes.HasPrefix(picture, []byte("<svg")) {
		t.Errorf("the picture: %v", err)
	}
	calibrate[len(calibrate)-1] = "second"
	if _, notes = run(calibrate...); !strings.Contains(notes, "70 known from before, 0 asked now") {
		t.Error(notes)
	}
	run("router", "calibrate", "outcomes.jsonl", "-o", "third")
	first, err := os.ReadFile(path("first"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"second", "third"} {
		if again, err := os.ReadFile(path(name)); err != nil || !bytes.Equal(first, again) {
			t.Errorf("the %s weights differ, %v", name, err)
		}
	}
	for text, variant := range map[string]string{
		"Start with 21, add 4, subtract 3, add 9. What is the result?": "thinking", "Good morning, who are you?": "instruct",
	} {
		if decision, _ := run("route", "--weights", "first", text); !strings.Contains(decision, `"variant": "`+variant+`"`) {
			t.Errorf("%s: %s", text, decision)
		}
	}
}
