package video

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTool uses the ffmpeg that is installed, or the one in the folder that QWENVLD_TEST_FFMPEG names, such as an image's.
// The latter makes no videos: makeVideo takes the installed one.
func newTool(t testing.TB, o Options) *Tool {
	t.Helper()
	if dir := os.Getenv("QWENVLD_TEST_FFMPEG"); dir != "" && o.FFmpeg == "" {
		o.FFmpeg, o.FFprobe = filepath.Join(dir, "ffmpeg"), filepath.Join(dir, "ffprobe")
	}
	tool, err := NewTool(context.Background(), o)
	if err == nil {
		err = tool.Missing()
	}
	if err != nil {
		t.Fatalf("these tests need ffmpeg, which `make setup` installs: %v", err)
	}
	return tool
}

// makeVideo runs ffmpeg and returns the bytes of the file it made; args end before the file's name.
func makeVideo(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args = append([]string{"-v", "error", "-y"}, append(args, path)...)
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pattern is a moving test picture with a frame counter.
func pattern(size, rate, seconds string) []string {
	return []string{"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=" + rate + ":duration=" + seconds}
}

func open(t testing.TB, tool *Tool, data []byte) Source {
	t.Helper()
	src, err := tryOpen(t, tool, data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src
}

func tryOpen(t testing.TB, tool *Tool, data []byte) (Source, error) {
	t.Helper()
	f, err := tool.NewFile()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return tool.Open(context.Background(), f)
}

func write(t testing.TB, dir string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, "in")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
