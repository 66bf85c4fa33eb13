package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/worker"
)

func TestWhichFolderWorkersShareRowsIn(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b, long := file("a", 10), file("b", 10), file("c", 11)
	for name, c := range map[string]struct {
		folder, instruct, thinking string
		bytes                      int64
		residency                  string
		want                       worker.Config
		passing                    bool
	}{
		"by itself, of one size": {instruct: a, thinking: b, want: worker.Config{RowFolderBytes: 256 << 20}, passing: true},
		"in turns": {
			residency: config.ResidentOne, instruct: a, thinking: b, passing: true,
			want: worker.Config{RowFolderBytes: 256 << 20, RowFolderLasts: true},
		},
		"auto, bounded":           {folder: "auto", bytes: 5, instruct: a, thinking: b, want: worker.Config{RowFolderBytes: 5}, passing: true},
		"towers of two sizes":     {instruct: a, thinking: long},
		"one variant alone":       {instruct: a},
		"off":                     {folder: "off", instruct: a, thinking: b},
		"no projector":            {folder: "/rows", thinking: b},
		"a folder that stays":     {folder: "/rows", instruct: a, want: worker.Config{RowFolder: "/rows", RowFolderBytes: 4 << 30, RowFolderLasts: true}},
		"one of some size":        {folder: "/rows", bytes: 7, instruct: a, want: worker.Config{RowFolder: "/rows", RowFolderBytes: 7, RowFolderLasts: true}},
		"files that are not here": {instruct: "/none/x", thinking: "/none/x"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rowFolder{parent: t.TempDir()}
			m := &config.Model{Instruct: config.Weights{Projector: c.instruct}, Thinking: config.Weights{Projector: c.thinking}}
			m.Engine.VisionFolder, m.Engine.VisionFolderBytes, m.Residency = c.folder, c.bytes, c.residency
			got := worker.Config{Projector: c.instruct}
			r.share(m, &got, slog.New(slog.DiscardHandler))
			got.Projector = ""
			path := got.RowFolder
			if c.passing {
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
					t.Errorf("%v, %v", info, err)
				}
				got.RowFolder = ""
			}
			if got.RowFolder != c.want.RowFolder || got.RowFolderBytes != c.want.RowFolderBytes || got.RowFolderLasts != c.want.RowFolderLasts {
				t.Errorf("%+v", got)
			}
			if err := r.close(); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(r.parent); len(left) != 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}
