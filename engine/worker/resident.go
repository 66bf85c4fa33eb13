package worker

import (
	"fmt"
	"os"
)

// resident is how many bytes of this process are in memory, the files that it maps among them. It is 0 on systems that
// do not tell in Linux's way.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return residentOf(string(text), int64(os.Getpagesize()))
}

// residentOf reads the second number of statm, which counts pages.
func residentOf(statm string, page int64) int64 {
	var size, pages int64
	if _, err := fmt.Sscan(statm, &size, &pages); err != nil {
		return 0
	}
	return pages * page
}
