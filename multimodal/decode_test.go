package multimodal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
)

// kindOf is the kind of err, "" without one.
func kindOf(t *testing.T, err error) Kind {
	t.Helper()
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%v is no *Error", err)
	}
	if e == nil {
		return ""
	}
	return e.Kind
}

// bomb is a PNG whose header promises more pixels than it has bytes.
func bomb(width, height uint32) []byte {
	head := []byte("IHDR\x00\x00\x00\x00\x00\x00\x00\x00\x08\x02\x00\x00\x00")
	binary.BigEndian.PutUint32(head[4:], width)
	binary.BigEndian.PutUint32(head[8:], height)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
}

func TestBadImagesAreRefusedByKind(t *testing.T) {
	page := sample(t, "page.png")
	cases := map[string]struct {
		data []byte
		want Kind
	}{
		"empty":            {nil, KindFormat},
		"text":             {[]byte("<svg xmlns=...>"), KindFormat},
		"only a signature": {[]byte("\x89PNG\r\n\x1a\n"), KindCorrupt},
		"cut":              {page[:len(page)/2], KindCorrupt},
		"cut JPEG":         {sample(t, "truncated.jpg"), KindCorrupt},
		"bomb":             {bomb(50000, 50000), KindTooManyPixels},
		"overflowing bomb": {bomb(1<<31-1, 1<<31-1), KindCorrupt},
		"long bomb":        {bomb(1<<31-1, 1), KindTooManyPixels},
		"no pixels":        {bomb(0, 10), KindCorrupt},
		"no such BMP":      {append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00"), make([]byte, 50)...), KindCorrupt},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(context.Background(), c.data, 1<<20); kindOf(t, err) != c.want {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestPixelLimitIsOnTheArea(t *testing.T) {
	page := sample(t, "page.png") // 384 x 191
	if _, err := Decode(context.Background(), page, 384*191); err != nil {
		t.Error(err)
	}
	if _, err := Decode(context.Background(), page, 384*191-1); kindOf(t, err) != KindTooManyPixels {
		t.Error(err)
	}
}

func TestSixteenBitChannelsKeepTheirHighByte(t *testing.T) {
	deep := image.NewNRGBA64(image.Rect(0, 0, 3, 1))
	deep.SetNRGBA64(0, 0, color.NRGBA64{0x12ff, 0x3400, 0x56ff, 0xffff})
	deep.SetNRGBA64(1, 0, color.NRGBA64{0x12ff, 0x3400, 0x56ff, 0})
	deep.SetNRGBA64(2, 0, color.NRGBA64{0, 0, 0, 0x8000})
	var buf bytes.Buffer
	if err := png.Encode(&buf, deep); err != nil {
		t.Fatal(err)
	}
	img, err := Decode(context.Background(), buf.Bytes(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{0x12, 0x34, 0x56, 255, 255, 255, 127, 127, 127}; !bytes.Equal(img.RGB, want) {
		t.Errorf("%v, want %v", img.RGB, want)
	}
}

func TestCancelledWorkStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Decode(ctx, sample(t, "page.png"), 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("decode: %v", err)
	}
	if _, err := Resize(ctx, noise(100, 100, 1), 10, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("resize: %v", err)
	}
}

func TestDataURIs(t *testing.T) {
	cases := map[string]struct {
		uri  string
		want string
		kind Kind
	}{
		"plain":           {"data:image/png;base64,aGVsbG8=", "hello", ""},
		"no padding":      {"data:image/png;base64,aGVsbG8", "hello", ""},
		"line breaks":     {"data:image/png;base64,aGVs\r\n bG8=\n", "hello", ""},
		"URL alphabet":    {"data:;base64,-_-_", "\xfb\xff\xbf", ""},
		"percent":         {"data:image/png;base64,aGVsbG8%3D", "hello", ""},
		"parameters":      {"DATA:image/png;charset=x;BASE64,aGVsbG8=", "hello", ""},
		"not base64":      {"data:text/plain,he%6Clo", "hello", ""},
		"at the limit":    {"data:;base64,MDEyMzQ1Njc4OQ==", "0123456789", ""},
		"over the limit":  {"data:;base64,MDEyMzQ1Njc4OTA=", "", KindTooManyBytes},
		"far over":        {"data:;base64," + string(bytes.Repeat([]byte("A"), 1000)), "", KindTooManyBytes},
		"over, unencoded": {"data:,01234567890", "", KindTooManyBytes},
		"broken base64":   {"data:image/png;base64,a$b", "", KindURL},
		"broken percent":  {"data:,%zz", "", KindURL},
		"no comma":        {"data:image/png;base64", "", KindURL},
		"other scheme":    {"file:///etc/passwd,", "", KindURL},
		"empty":           {"data:image/png;base64,", "", KindURL},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, _, err := ParseDataURI(c.uri, 10)
			if string(got) != c.want || kindOf(t, err) != c.kind {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	if _, mediaType, _ := ParseDataURI("data:Image/PNG;base64,aGVsbG8=", 10); mediaType != "image/png" {
		t.Errorf("media type %q", mediaType)
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{
		"palette_color.png", "palette-transparent.png", "first-frame.gif", "alpha.webp", "plain.bmp", "deflate.tiff", "orientation-6.jpg",
		"cmyk.jpg", "progressive.jpg", "orientation-6.webp", "truncated.jpg", "lossy-alpha.webp", "subsampled-422.jpg", "fax.tiff",
	} {
		f.Add(sample(f, name))
	}
	f.Add(bomb(1<<31-1, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(context.Background(), data, 1<<16)
		if err != nil {
			kindOf(t, err)
			return
		}
		if len(img.RGB) != channels*img.Width*img.Height || img.Width*img.Height > 1<<16 {
			t.Fatalf("%d x %d with %d bytes", img.Width, img.Height, len(img.RGB))
		}
	})
}

func FuzzOrientation(f *testing.F) {
	f.Add("jpeg", sample(f, "orientation-8.jpg"))
	f.Add("png", sample(f, "orientation-3.png"))
	f.Add("webp", sample(f, "orientation-6.webp"))
	f.Add("tiff", []byte("MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06"))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		if o := orientationOf(format, data); o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
	})
}

func TestTheHeadOfADataURI(t *testing.T) {
	for uri, want := range map[string]string{
		"data:image/png;base64,aGVsbG8gd29ybGQ=":            "hello wor",
		"DATA:;charset=x;BASE64,aGVsbG8gd29ybGQ":            "hello wor",
		"data:;base64,aGVsbG8=":                             "hel", // as far as whole groups go
		"data:;base64,aG\nVs\r\nbG8gd29ybGQ=":               "hello ",
		"data:,hello":                                       "",
		"data:image/png,aGVsbG8gd29ybGQ=":                   "",
		"http://a/b?;base64,aGVsbG8gd29ybGQ=":               "",
		"data:;base64,a?VsbG8gd29ybGQ=":                     "",
		"data:;base64,a%2BVsbG8gd29ybGQ":                    "",
		"data:" + strings.Repeat("x", 300) + ";base64,aGVs": "",
		"": "",
	} {
		if got := string(DataURIHead(uri, 9)); got != want {
			t.Errorf("%.40s: %q, want %q", uri, got, want)
		}
	}
}

func FuzzParseDataURI(f *testing.F) {
	f.Add("data:image/png;base64,aGVsbG8=")
	f.Add("data:,%41")
	f.Fuzz(func(t *testing.T, uri string) {
		data, _, err := ParseDataURI(uri, 20)
		if err == nil && (len(data) == 0 || len(data) > 20) {
			t.Fatalf("%d bytes", len(data))
		}
		if head := DataURIHead(uri, 9); len(head) > 9 || err == nil && !bytes.HasPrefix(data, head) {
			t.Fatalf("%q begins %q", data, head)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := sample(b, "rocket.jpg")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(context.Background(), data, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResize(b *testing.B) {
	for name, c := range map[string][4]int{"shrink": {1920, 1080, 1280, 704}, "grow": {512, 512, 1024, 1024}} {
		b.Run(name, func(b *testing.B) {
			src := noise(c[0], c[1], 1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Resize(context.Background(), src, c[2], c[3]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
