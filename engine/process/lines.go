package process

import (
	"bufio"
	"errors"
	"io"
)

// cutMark ends a line of which the rest was left out.
const cutMark = "..."

// eachLine calls f with each line of r until its end. A line longer than limit is passed on cut, and reading goes on
// after it: what writes to a pipe that nobody reads stands still.
func eachLine(r io.Reader, limit int, f func(line string)) {
	in := bufio.NewReaderSize(r, limit)
	for {
		line, err := in.ReadSlice('\n')
		text := string(line)
		if cut := errors.Is(err, bufio.ErrBufferFull); cut {
			text += cutMark
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
		} else if n := len(text); n > 0 && text[n-1] == '\n' {
			text = text[:n-1]
		}
		if text != "" {
			f(text)
		}
		if err != nil {
			return
		}
	}
}
