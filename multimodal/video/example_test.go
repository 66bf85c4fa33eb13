package video_test

import (
	"fmt"

	"github.com/qwenvld/qwenvld/multimodal/video"
)

// Ten seconds of film are shown as twenty frames, in pairs with the time of each.
func ExampleSelect() {
	film := &video.Info{Width: 1920, Height: 1080, Frames: 250, FPS: 25}
	indices, err := video.Select(film, video.Sampling{FPS: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(indices), "frames:", indices[:4])
	fmt.Println(video.Stamps(film, indices, video.StampSeconds)[:2])

	height, width, err := video.Resize(len(indices), film.Height, film.Width, 32, video.DefaultPixelBudget())
	fmt.Println(width, "x", height, err)
	// Output:
	// 20 frames: [0 13 26 39]
	// [<0.3 seconds> <1.3 seconds>]
	// 1472 x 832 <nil>
}
