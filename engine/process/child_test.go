package process

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAWorkerStartsHoweverLongTheNameOfTheTemporaryFolderIs(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	p, err := startChild(Command{Path: "/bin/cat"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.stop(0)
	if _, err := os.Stat(p.dir.Path); !os.IsNotExist(err) {
		t.Errorf("the socket's folder is left: %v", err)
	}
}
