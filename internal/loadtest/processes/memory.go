package processes

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Resident is how many bytes of memory the tree's processes hold. What several of them map of the same file, such
// as weights, counts once.
func (t *Tree) Resident() (int64, error) {
	pids, err := t.pids()
	if err != nil {
		return 0, err
	}
	own := int64(0)
	files := map[string]int64{} // the part of a file and the most that one of them holds of it
	for _, pid := range pids {
		data, err := fs.ReadFile(t.proc, path.Join(strconv.Itoa(pid), "smaps"))
		if err != nil {
			if pid == t.root {
				return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
			}
			continue // it has ended meanwhile
		}
		own += addMappings(data, files)
	}
	for _, bytes := range files {
		own += bytes
	}
	return own, nil
}

// addMappings reads a file of mappings, raises files to what this process holds of each, and returns what is of no
// file.
func addMappings(smaps []byte, files map[string]int64) (own int64) {
	held := map[string]int64{}
	file := ""
	for s := bufio.NewScanner(bytes.NewReader(smaps)); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) == 0 {
			continue
		}
		const mapping, nameAt = 5, 5 // addresses, rights, offset, device, inode and, mostly, a name
		if !strings.HasSuffix(fields[0], ":") && len(fields) >= mapping {
			file = ""
			if rights, inode := fields[1], fields[4]; inode != "0" && !strings.Contains(rights, "w") && len(fields) > nameAt {
				file = strings.Join(fields[2:nameAt], " ")
			}
			continue
		}
		if fields[0] != "Rss:" || len(fields) < 2 {
			continue
		}
		kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		const kilobyte = 1024
		if file == "" {
			own += kilobytes * kilobyte
		} else {
			held[file] += kilobytes * kilobyte
		}
	}
	for name, bytes := range held {
		files[name] = max(files[name], bytes)
	}
	return own
}
