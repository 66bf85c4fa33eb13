package picture

import (
	"bytes"
	"image/png"
	"os/exec"
	"strings"
	"testing"
)

func TestAPictureIsItsSeeds(t *testing.T) {
	for _, kind := range []Kind{Tiles, Noise} {
		first, err := Draw(kind, 70, 40, 1)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := Draw(kind, 70, 40, 1)
		other, _ := Draw(kind, 70, 40, 2)
		if !bytes.Equal(first, again) || bytes.Equal(first, other) {
			t.Errorf("%s: the same seed the same: %v, another seed the same: %v", kind, bytes.Equal(first, again), bytes.Equal(first, other))
		}
		m, err := png.Decode(bytes.NewReader(first))
		if err != nil || m.Bounds().Dx() != 70 || m.Bounds().Dy() != 40 {
			t.Errorf("%s: %v, %v", kind, m, err)
		}
	}
	if _, err := Draw("cats", 1, 1, 1); err == nil {
		t.Error("a picture of cats was drawn")
	}
}

func TestAFilmIsReadByFFmpeg(t *testing.T) {
	film, err := Film(64, 48, 6, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	probe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("there is no ffprobe")
	}
	cmd := exec.CommandContext(t.Context(), probe, "-v", "error", "-count_frames", "-show_entries",
		"stream=codec_name,width,height,nb_read_frames,avg_frame_rate", "-of", "csv=p=0", "-")
	cmd.Stdin = bytes.NewReader(film)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "mjpeg,64,48,2/1,6" {
		t.Errorf("ffprobe: %v, %s", err, out)
	}
}

func TestAFilmHasFrames(t *testing.T) {
	if _, err := Film(64, 48, 0, 2, 1); err == nil {
		t.Error("a film without frames was made")
	}
}
