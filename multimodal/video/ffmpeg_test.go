package video

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/multimodal"
)

// stalled makes programs that are the installed ones but say nothing before the file that it names is there.
func stalled(t *testing.T) (o Options, until string) {
	t.Helper()
	installed := newTool(t, Options{})
	dir := t.TempDir()
	until = filepath.Join(dir, "go")
	for name, program := range map[string]string{"ffmpeg": installed.o.FFmpeg, "ffprobe": installed.o.FFprobe} {
		script := fmt.Sprintf("#!/bin/sh\nwhile [ ! -e %q ]; do sleep 0.05; done\nexec %q \"$@\"\n", until, program)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return Options{FFmpeg: filepath.Join(dir, "ffmpeg"), FFprobe: filepath.Join(dir, "ffprobe"), ProbeTimeout: 100 * time.Millisecond}, until
}

// A busy machine may start programs slowly. That is no reason to do without them, nor to confine them less.
func TestAnFFmpegThatDoesNotAnswerInTimeIsAskedAgain(t *testing.T) {
	o, until := stalled(t)
	tool, err := NewTool(t.Context(), o)
	if err != nil || tool.Missing() != nil {
		t.Fatalf("%v, %v", err, tool.Missing())
	}
	if tool.Version() != "" {
		t.Errorf("version %q", tool.Version())
	}
	gif := animatedGIF(t, 32, 32, 3)
	var media *multimodal.Error
	if _, err := tryOpen(t, tool, gif); !errors.As(err, &media) || media.Kind != multimodal.KindBusy {
		t.Errorf("while it does not answer: %v", err)
	}
	if err := os.WriteFile(until, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tool.o.ProbeTimeout = time.Minute
	testkit.Eventually(t, "an answer", func() bool {
		src, err := tryOpen(t, tool, gif)
		if err != nil {
			if !errors.As(err, &media) || media.Kind != multimodal.KindBusy && media.Kind != multimodal.KindDecodeTime {
				t.Fatal(err)
			}
			return false
		}
		_ = src.Close()
		return true
	})
	if installed := newTool(t, Options{}); installed.Version() != "" && (tool.Version() != installed.Version() || tool.Sandbox() != installed.Sandbox()) {
		t.Errorf("version %s in %s, want %s in %s", tool.Version(), tool.Sandbox(), installed.Version(), installed.Sandbox())
	}
}

func TestAnFFmpegThatFailsIsToldApartFromNone(t *testing.T) {
	broken := write(t, t.TempDir(), []byte("#!/bin/sh\nexit 1\n"))
	if err := os.Chmod(broken, 0o755); err != nil {
		t.Fatal(err)
	}
	tool, err := NewTool(t.Context(), Options{FFmpeg: broken, FFprobe: broken})
	var media *multimodal.Error
	if err != nil || !errors.As(tool.Missing(), &media) || media.Kind != multimodal.KindNoDecoder || !strings.Contains(media.Message, "does not work") {
		t.Errorf("%v, %v", err, tool.Missing())
	}
}
