package multimodal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"

	"github.com/qwenvld/qwenvld/multimodal"
)

// dot is a PNG file of 4 x 2 black pixels.
func dot() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 2))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// A photo is resized to multiples of what one token shows, 32 pixels, within the model's limits.
func ExampleSmartResize() {
	height, width, err := multimodal.SmartResize(1080, 1920, 32, multimodal.DefaultPixelLimits())
	fmt.Println(width, "x", height, "pixels,", width/32*height/32, "tokens", err)

	_, _, err = multimodal.SmartResize(10, 4000, 32, multimodal.DefaultPixelLimits())
	fmt.Println(err)
	// Output:
	// 1920 x 1088 pixels, 2040 tokens <nil>
	// The image is 4000 x 10 pixels; one side may be at most 200 times the other.
}

func ExampleParseDataURI() {
	data, mediaType, err := multimodal.ParseDataURI("data:text/plain;base64,SGVsbG8", 100)
	fmt.Printf("%s %q %v\n", mediaType, data, err)

	_, _, err = multimodal.ParseDataURI("data:text/plain;base64,SGVsbG8", 3)
	var fault *multimodal.Error
	fmt.Println(errors.As(err, &fault), fault.Kind, fault.Message)
	// Output:
	// text/plain "Hello" <nil>
	// true too_many_bytes The file has more than the 3 bytes that are allowed.
}

// The size is read before anything is decoded, so that what is too large costs nothing.
func ExampleDecodeSize() {
	fmt.Println(multimodal.DecodeSize(dot()))
	_, err := multimodal.Decode(context.Background(), dot(), 5)
	fmt.Println(err)
	// Output:
	// 4 2 png <nil>
	// The image is 4 x 2 pixels, 5 in all are allowed.
}

// A Decoder does for all requests what Decode does for one, in bounded memory and time.
func ExampleDecoder() {
	decoder := multimodal.NewDecoder(multimodal.DecoderOptions{MaxPixels: 1 << 20})
	img, err := decoder.Decode(context.Background(), dot(), 64, 32)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(img.Width, img.Height, len(img.RGB))
	// Output: 64 32 6144
}
