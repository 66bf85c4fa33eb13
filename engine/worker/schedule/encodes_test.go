package schedule

import (
	"slices"
	"testing"
)

func TestImagesAreEncodedOneAtATimeInTheOrderTheyCame(t *testing.T) {
	var e Encodes[string]
	if _, ok := e.Next(); ok {
		t.Error("the encoder goes to nobody")
	}
	for _, image := range []string{"a", "b", "c", "d"} {
		e.Add(image)
	}
	var order []string
	for {
		image, ok := e.Next()
		if !ok {
			break
		}
		order = append(order, image)
		if _, ok := e.Next(); ok {
			t.Error("two images have the encoder")
		}
		if image == "a" {
			if e.Drop("a") || !e.Drop("c") {
				t.Error("an image that has the encoder waits, or one that waits does not")
			}
			e.Add("a2") // the next image of the same request goes behind the others
		}
		e.Done()
	}
	if want := []string{"a", "b", "d", "a2"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}
