package worker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/gguf"
)

const demoPair = "../../internal/demopair/weights/"

// tryModels names a file with a model and a projector a line: the process of the test below that may end by what they hold.
const tryModels = "QWENVLD_TEST_TRY_MODELS"

// mutation changes a copy of a file.
type mutation struct {
	name   string
	change func(data []byte) []byte
}

// mutations of a file whose header is so many bytes long.
func mutations(rng *rand.Rand, header int, keys []int, n int) []mutation {
	numbers := []uint64{0, 1, 2, 255, 1 << 31, 1<<32 - 1, 1 << 40, 1 << 63, math.MaxUint64}
	overwrite := func(data []byte, at int, bytes []byte) []byte {
		copy(data[at:], bytes)
		return data
	}
	var out []mutation
	add := func(name string, change func([]byte) []byte) { out = append(out, mutation{name, change}) }
	for len(out) < n {
		at, number := rng.IntN(header-8), numbers[rng.IntN(len(numbers))]
		small := binary.LittleEndian.AppendUint32(nil, uint32(number))
		large := binary.LittleEndian.AppendUint64(nil, number)
		key := keys[rng.IntN(len(keys))]
		bit := byte(1 << rng.IntN(8))
		switch len(out) % 10 {
		case 0:
			add(fmt.Sprintf("bit %x of header byte %d", bit, at), func(d []byte) []byte { d[at] ^= bit; return d })
		case 1, 2, 3:
			off := key + rng.IntN(48)
			add(fmt.Sprintf("bit %x of byte %d near a key", bit, off), func(d []byte) []byte { d[off] ^= bit; return d })
		case 4, 5:
			off := key + rng.IntN(48)
			add(fmt.Sprintf("%d at byte %d near a key", number, off), func(d []byte) []byte { return overwrite(d, off, small) })
		case 6:
			add(fmt.Sprintf("%d at byte %d", number, at), func(d []byte) []byte { return overwrite(d, at, large) })
		case 7:
			end := rng.IntN(1 << 22)
			add(fmt.Sprintf("cut to %d", end), func(d []byte) []byte { return d[:min(end, len(d)-1)] })
		case 8:
			count := 1 + rng.IntN(40)
			add(fmt.Sprintf("%d bytes lost at %d", count, at), func(d []byte) []byte { return append(d[:at], d[at+count:]...) })
		case 9:
			off := rng.IntN(1 << 20)
			add(fmt.Sprintf("weights at %d", off), func(d []byte) []byte {
				at := header + off%(len(d)-header-8)
				return overwrite(d, at, large)
			})
		}
	}
	return out
}

// keyPlaces are where the header's keys and tensors begin, apart from the vocabulary, which is most of it.
func keyPlaces(data []byte) (places []int, header int) {
	for _, mark := range []string{"general.", "qwen3vl.", "tokenizer.", "clip.", "blk.", "v.blk.", "token_embd", "output_norm", "mm.0", "v.deepstack", "v.p"} {
		for at := 0; ; {
			i := strings.Index(string(data[at:min(len(data), 1<<17)]), mark)
			if i < 0 {
				break
			}
			at += i
			places = append(places, at-8)
			header = max(header, at+64)
			at++
		}
	}
	return append(places, 4, 8, 16), header
}

// Of 230 damaged copies of the built-in pair, each is refused with the file's name before llama.cpp sees it, or loads and answers. None
// may end the process, hang it, or load and then fail.
func TestDamagedModelsAreRefusedOrAnswer(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 1))
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
		places, header := keyPlaces(data)
		for i, m := range mutations(rng, header, places, n) {
			paths := map[string]string{"instruct": good["instruct"], "projector": good["projector"]}
			paths[name] = filepath.Join(dir, fmt.Sprintf("%s-%d.gguf", name, i))
			if err := os.WriteFile(paths[name], m.change(append([]byte(nil), data...)), 0o600); err != nil {
				t.Fatal(err)
			}
			err := gguf.CheckPair(paths["instruct"], paths["projector"])
			if err == nil {
				pairs = append(pairs, paths["instruct"]+"\t"+paths["projector"]+"\t"+m.name)
				continue
			}
			refused++
			if !strings.Contains(err.Error(), paths[name]) || len(err.Error()) < len(paths[name])+12 {
				t.Errorf("%s: %v", m.name, err)
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
