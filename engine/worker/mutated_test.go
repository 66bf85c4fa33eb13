package worker

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/internal/damage"
)

const demoPair = "../../internal/demopair/weights/"

// tryModels names a file with a model and a projector a line: the process of the test below that may end by what they hold.
const tryModels = "QWENVLD_TEST_TRY_MODELS"

// Of 230 damaged copies of the built-in pair, each is refused with the file's name before llama.cpp sees it, or loads and answers. None
// may end the process, hang it, or load and then fail.
func TestDamagedModelsAreRefusedOrAnswer(t *testing.T) {
	dir := t.TempDir()
	good := map[string]string{"instruct": demoPair + "instruct.gguf", "projector": demoPair + "projector.gguf"}
	var pairs []string
	refused := 0
	for _, name := range []string{"instruct", "projector"} {
		n := map[string]int{"instruct": 150, "projector": 80}[name]
		data, err := os.ReadFile(good[name])
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range damage.Of(data, n, 12) {
			paths := map[string]string{"instruct": good["instruct"], "projector": good["projector"]}
			paths[name] = filepath.Join(dir, fmt.Sprintf("%s-%d.gguf", name, i))
			if err := os.WriteFile(paths[name], m.Copy(data), 0o600); err != nil {
				t.Fatal(err)
			}
			err := gguf.CheckPair(paths["instruct"], paths["projector"])
			if err == nil {
				pairs = append(pairs, paths["instruct"]+"\t"+paths["projector"]+"\t"+m.Name)
				continue
			}
			refused++
			if !strings.Contains(err.Error(), paths[name]) || len(err.Error()) < len(paths[name])+12 {
				t.Errorf("%s: %v", m.Name, err)
			}
			if err := os.Remove(paths[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d refused, %d to be tried", refused, len(pairs))
	if refused < 100 || len(pairs) < 20 {
		t.Error("the mutations are too wild or too tame to show anything")
	}
	names := filepath.Join(dir, "list")
	if err := os.WriteFile(names, []byte(strings.Join(pairs, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTryModels$", "-test.v")
	child.Env = append(os.Environ(), tryModels+"="+names)
	output, err := child.CombinedOutput()
	if n := strings.Count(string(output), "tried: "); err != nil || n != len(pairs) {
		t.Errorf("%d of %d tried: %v\n%.8000s", n, len(pairs), err, output)
	}
}

// TestTryModels is the other process of the test above.
func TestTryModels(t *testing.T) {
	names := os.Getenv(tryModels)
	if names == "" {
		t.Skip("TestDamagedModelsAreRefusedOrAnswer runs it")
	}
	f, err := os.Open(names)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		c := Config{Model: fields[0], Projector: fields[1], ContextSize: 256, MaxSequences: 2, Threads: 2}
		fmt.Println("trying:", lines.Text())
		s := start(t, c)
		last := s.hello[len(s.hello)-1]
		if last.State == "failed" {
			// Weights are not read before they are loaded.
			if !strings.Contains(last.Error, fields[0]) && !strings.Contains(last.Error, fields[1]) {
				t.Errorf("%s: %s", lines.Text(), last.Error)
			}
			fmt.Println("tried: refused,", last.Error)
		} else {
			answerOnce(t, s, lines.Text())
		}
		_ = s.stop()
	}
}

func answerOnce(t *testing.T, s *service, name string) {
	t.Helper()
	req := &engine.Request{
		ID: "a", MaxTokens: 4,
		Prompt: []engine.Piece{
			{Kind: engine.PieceControl, Text: "<|im_start|>user\n<|vision_start|>"},
			{Kind: engine.PieceImage},
			{Kind: engine.PieceControl, Text: "<|vision_end|>"},
			{Kind: engine.PieceText, Text: "What is it?"},
			{Kind: engine.PieceControl, Text: "<|im_end|>\n<|im_start|>assistant\n"},
		},
		Images: []engine.Image{{Width: 96, Height: 96, RGB: make([]byte, 3*96*96)}},
	}
	if _, result, err := s.generate(req); err != nil || result == nil {
		t.Errorf("%s: loads and answers %v", name, err)
	}
	fmt.Println("tried: answers")
}
