package schedule

import (
	"slices"
	"testing"
)

func TestImagesAreEncodedOneAtATimeInTheOrderTheyCame(t *testing.T) {
	var e Encodes[string]
	if _, ok := e.Next(); ok {
		t.Error("a turn for nobody")
	}
	for _, image := range []string{"a", "b", "c", "d"} {
		e.Add(image)
	}
	var turns []string
	for {
		image, ok := e.Next()
		if !ok {
			break
		}
		turns = append(turns, image)
		if _, ok := e.Next(); ok {
			t.Error("two turns at once")
		}
		if image == "a" {
			if e.Drop("a") || !e.Drop("c") {
				t.Error("an image in its turn waits, or one that waits does not")
			}
			e.Add("a2") // the next image of the same request goes behind the others
		}
		e.Done()
	}
	if want := []string{"a", "b", "d", "a2"}; !slices.Equal(turns, want) {
		t.Errorf("%v, want %v", turns, want)
	}
}
