package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// health is what a worker tells of itself.
func (s *service) health(t *testing.T) (h wire.Health) {
	t.Helper()
	resp, err := s.client.Get("http://worker" + wire.PathHealth)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		t.Fatal(err)
	}
	return h
}

// pictures tells where the rows of a worker's pictures came from.
func (s *service) pictures(t *testing.T) engine.Pictures {
	t.Helper()
	return s.health(t).Pictures
}

func shelved(folder string, lasts bool) Config {
	c := config("dense-tied")
	c.RowFolder, c.RowFolderBytes, c.RowFolderLasts = folder, 1<<20, lasts
	return c
}

// shownTo asks about two pictures.
func shownTo(t *testing.T, s *service) string {
	t.Helper()
	k := talk{}
	for i := range 2 {
		img := engine.Image{Width: 64, Height: 32 * (1 + i)}
		img.RGB = make([]byte, img.Size())
		for j := range img.RGB {
			img.RGB[j] = byte(j*(i+3) + i)
		}
		k.images = append(k.images, img)
		k.pieces = append(k.pieces, engine.Piece{Kind: engine.PieceControl, Text: "<|im_start|>user\n<|vision_start|>"},
			engine.Piece{Kind: engine.PieceImage, Image: i}, engine.Piece{Kind: engine.PieceControl, Text: "<|vision_end|>"})
	}
	k.pieces = append(k.pieces, engine.Piece{Kind: engine.PieceText, Text: "how many?"})
	text, _, err := s.generate(k.request(1, 5))
	if err != nil {
		t.Error(err)
	}
	return text
}

// What one worker has encoded, another with the same tower has not to: one after the other and at the same time, and
// with a folder that lasts, one that comes when the first has gone.
func TestWorkersWithEqualTowersEncodeAPictureOnce(t *testing.T) {
	folder := t.TempDir()
	first, second := start(t, shelved(folder, false)), start(t, shelved(folder, false))
	var texts [2]string
	var both sync.WaitGroup
	for i, s := range []*service{first, second} {
		both.Go(func() { texts[i] = shownTo(t, s) })
	}
	both.Wait()
	a, b := first.pictures(t), second.pictures(t)
	if a.Encoded+b.Encoded != 2 || a.Folder+b.Folder != 2 || texts[0] == "" || texts[0] != texts[1] {
		t.Errorf("at once: %+v, %+v, %q", a, b, texts)
	}
	third := start(t, shelved(folder, false))
	if text := shownTo(t, third); text != texts[0] || third.pictures(t) != (engine.Pictures{Folder: 2}) {
		t.Errorf("afterwards: %+v, %q", third.pictures(t), text)
	}

	lasting := t.TempDir()
	early := start(t, shelved(lasting, true))
	text := shownTo(t, early)
	if err := early.stop(); err != nil {
		t.Fatal(err)
	}
	late := start(t, shelved(lasting, true))
	if again := shownTo(t, late); again != text || late.pictures(t) != (engine.Pictures{Folder: 2}) {
		t.Errorf("after a restart: %+v, %q, before %q", late.pictures(t), again, text)
	}
}

func TestWorkersWithDifferentTowersShareNothing(t *testing.T) {
	folder := t.TempDir()
	c := shelved(folder, true)
	first := start(t, c)
	c.Projector = references + "dense-tied/mmproj-f16.gguf"
	second := start(t, c)
	shownTo(t, first)
	shownTo(t, second)
	for _, s := range []*service{first, second} {
		if got := s.pictures(t); got != (engine.Pictures{Encoded: 2}) {
			t.Errorf("%+v", got)
		}
	}
}

// A folder that cannot be used keeps no worker from answering.
func TestAFolderThatCannotBeUsedIsDoneWithout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, shelved(path, true))
	if shownTo(t, s) == "" || s.pictures(t) != (engine.Pictures{Encoded: 2}) {
		t.Errorf("%+v", s.pictures(t))
	}
}

func TestATowerIsWhatItComputes(t *testing.T) {
	data, err := os.ReadFile(references + "dense-tied/mmproj.gguf")
	if err != nil {
		t.Fatal(err)
	}
	tower := func(change func([]byte) []byte, how string) [32]byte {
		path := filepath.Join(t.TempDir(), "mmproj.gguf")
		if err := os.WriteFile(path, change(bytes.Clone(data)), 0o600); err != nil {
			t.Fatal(err)
		}
		name, err := towerOf(context.Background(), path, how)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	same := func(b []byte) []byte { return b }
	want := tower(same, "cpu")
	renamed := func(b []byte) []byte { return bytes.Replace(b, []byte("general.name"), []byte("general.nome"), 1) }
	if tower(renamed, "cpu") != want {
		t.Error("the name of a file makes another tower of it")
	}
	weight := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	patch := func(b []byte) []byte {
		i := bytes.Index(b, []byte("clip.vision.attention.layer_norm_epsilon"))
		b[i+45] ^= 1
		return b
	}
	for name, other := range map[string][32]byte{
		"another weight": tower(weight, "cpu"), "another epsilon": tower(patch, "cpu"), "another device": tower(same, "card"),
	} {
		if other == want {
			t.Errorf("%s makes no other tower", name)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := towerOf(ctx, references+"dense-tied/mmproj.gguf", ""); err == nil {
		t.Error("a worker that ends reads on")
	}
}
