package processes

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine says what figures were measured on: the processor, as far as the system tells, and how many there are.
func Machine() string {
	model := runtime.GOARCH
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		for s := bufio.NewScanner(file); s.Scan(); {
			if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
		_ = file.Close()
	}
	return fmt.Sprintf("%s, %d processors", model, runtime.NumCPU())
}
