package worker

import (
	"runtime"
	"testing"
)

func TestResidentMemoryIsReadFromLinuxsCount(t *testing.T) {
	for statm, want := range map[string]int64{
		"3000 25 7 1 0 2 0\n": 25 * 4096, "": 0, "3000": 0, "a b": 0,
	} {
		if got := residentOf(statm, 4096); got != want {
			t.Errorf("%q: %d bytes, want %d", statm, got, want)
		}
	}
	if runtime.GOOS == "linux" && resident() < 1<<20 {
		t.Errorf("this process has %d bytes", resident())
	}
}
