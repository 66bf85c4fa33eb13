package damage

import (
	"bytes"
	"os"
	"testing"
)

func TestDamageIsItsSeedsAndLeavesTheOriginalAlone(t *testing.T) {
	data, err := os.ReadFile("../demopair/weights/projector.gguf")
	if err != nil {
		t.Fatal(err)
	}
	data = data[:1<<18] // what is damaged is the header, mostly
	original := bytes.Clone(data)
	first, second, other := Of(data, 40, 1), Of(data, 40, 1), Of(data, 40, 2)
	same, changed := 0, 0
	for i := range first {
		if first[i].Name != second[i].Name || !bytes.Equal(first[i].Copy(data), second[i].Copy(data)) {
			t.Errorf("number %d differs: %s, %s", i, first[i].Name, second[i].Name)
		}
		if first[i].Name == other[i].Name {
			same++
		}
		if !bytes.Equal(first[i].Copy(data), original) {
			changed++
		}
	}
	// A number may be written over itself.
	if same > 5 || changed < 35 {
		t.Errorf("%d alike for two seeds, %d of %d copies changed", same, changed, len(first))
	}
	if !bytes.Equal(data, original) {
		t.Error("the original changed")
	}
}
