package video

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// traced makes a Tool without a sandbox whose children run under strace, and a function that returns their system calls so far that
// have to do with files and networks.
func traced(t *testing.T) (*Tool, func() []string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("there is no strace here")
	}
	dir := t.TempDir()
	// A pipe, as children may write no files.
	fifo := filepath.Join(dir, "calls")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var calls []string
	done := make(chan struct{})
	mark := make(chan struct{}, 1)
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if lines.Text() == "end" {
				mark <- struct{}{}
				continue
			}
			mu.Lock()
			calls = append(calls, lines.Text())
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = log.Close()
		<-done
	})
	paths := map[string]string{}
	for _, program := range []string{"ffmpeg", "ffprobe"} {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Fatal(err)
		}
		paths[program] = filepath.Join(dir, program)
		script := fmt.Sprintf("#!/bin/sh\nexec %s -f -qq -s 300 -o %s -e trace=%%file,%%network %s \"$@\"\n", strace, fifo, path)
		if err := os.WriteFile(paths[program], []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tool, err := NewTool(context.Background(), Options{FFmpeg: paths["ffmpeg"], FFprobe: paths["ffprobe"], NoSandbox: true})
	if err != nil || tool.Missing() != nil {
		t.Skipf("strace does not work here: %v, %v", err, tool.Missing())
	}
	return tool, func() []string {
		if _, err := log.WriteString("end\n"); err != nil {
			t.Fatal(err)
		}
		<-mark
		mu.Lock()
		defer mu.Unlock()
		out := calls
		calls = nil
		return out
	}
}

var numbers = regexp.MustCompile(`/proc/\d+/|0x[0-9a-f]+`)

// named are the calls that name a file or make a socket, without what differs from run to run.
func named(calls []string) map[string]bool {
	out := map[string]bool{}
	for _, c := range calls {
		_, call, _ := strings.Cut(strings.TrimLeft(c, " "), " ")
		call, _, _ = strings.Cut(numbers.ReplaceAllString(strings.TrimLeft(call, " "), ""), ") = ")
		if strings.HasPrefix(call, "execve(") {
			call, _, _ = strings.Cut(call, ",") // arguments tell the demuxer
		}
		if strings.Contains(call, `"`) && !strings.Contains(call, `, "", `) || strings.HasPrefix(call, "socket(") {
			out[call] = true
		}
	}
	return out
}

// openings are calls that reach a network or change a file.
func openings(calls map[string]bool) (out []string) {
	for c := range calls {
		if strings.HasPrefix(c, "socket(") || strings.HasPrefix(c, "connect(") || strings.Contains(c, "O_CREAT") || strings.HasPrefix(c, "unlink") {
			out = append(out, c)
		}
	}
	return out
}

// What a file refers to is not opened, whatever the file is called and whatever it is: no other file, and no address.
func TestChildrenTouchNothingButTheirInput(t *testing.T) {
	tool, calls := traced(t)
	secret := write(t, t.TempDir(), []byte("secret"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := "http://" + listener.Addr().String() + "/x.ts"
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}
	good := makeVideo(t, "a.mp4", append(pattern("128x96", "25", "2"), x264...)...)
	// The frames are said to lie in another file, or behind an address: dref's one entry has flags 1 for "in this one".
	elsewhere := func(kind, place string) []byte {
		entry := box("url ", []byte{0, 0, 0, 1})
		at := bytes.Index(good, entry)
		if at < 0 {
			t.Fatal("the file has no reference to itself")
		}
		other := box(kind, []byte{0, 0, 0, 0}, []byte(place+"\x00"))
		out := append(append(bytes.Clone(good[:at]), other...), good[at+len(entry):]...)
		for _, name := range []string{"dref", "dinf", "minf", "mdia", "trak", "moov"} {
			size := out[bytes.LastIndex(out[:at], []byte(name))-4:]
			n := uint32(size[0])<<24 | uint32(size[1])<<16 | uint32(size[2])<<8 | uint32(size[3])
			n += uint32(len(other) - len(entry))
			copy(size, []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		}
		return out
	}
	playlist := "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://" + secret + "\n#EXTINF:10,\n" + address + "\n#EXT-X-ENDLIST\n"
	head := box("ftyp", []byte("isom\x00\x00\x02\x00isom"))
	cases := map[string][]byte{
		"a playlist":              []byte(playlist),
		"a playlist behind a box": append(bytes.Clone(head), playlist...),
		"a concat script":         []byte("ffconcat version 1.0\nfile '" + secret + "'\nfile '" + address + "'\n"),
		"a concat script behind":  append([]byte("\x1a\x45\xdf\xa3"), "ffconcat version 1.0\nfile '"+secret+"'\n"...),
		"frames in another file":  elsewhere("alis", secret),
		"frames at a path":        elsewhere("url ", "file://"+secret),
		"frames behind a URL":     elsewhere("url ", address),
		"a QuickTime of pointers": append(bytes.Clone(head), box("moov", box("rmra", box("rmda", box("rdrf", []byte("\x00\x00\x00\x00url "), []byte(address+"\x00")))))...),
	}
	read := func(data []byte) (map[string]bool, error) {
		calls()
		src, err := tryOpen(t, tool, data)
		if err != nil {
			return named(calls()), err
		}
		defer src.Close()
		plan, err := NewPlan(src, &Request{Factor: 32, Budget: DefaultPixelBudget()})
		if err == nil {
			err = ReadPairs(context.Background(), src, plan, func(int, []byte) error { return nil })
		}
		return named(calls()), err
	}
	usual, err := read(good)
	if err != nil || len(usual) == 0 || len(openings(usual)) > 0 {
		t.Fatalf("%d calls, %v: %v", len(usual), err, openings(usual))
	}
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			seen, err := read(data)
			t.Logf("%d calls; %v", len(seen), err)
			for c := range seen {
				if !usual[c] {
					t.Errorf("%s", c)
				}
			}
		})
	}
	// The check must notice a file that is opened, and an address.
	spy := named([]string{`77 openat(AT_FDCWD, "` + secret + `", O_RDONLY) = 3`, `77 socket(AF_INET, SOCK_STREAM, 0) = 3`})
	if len(spy) != 2 || len(openings(spy)) != 1 {
		t.Errorf("%v", spy)
	}
}
