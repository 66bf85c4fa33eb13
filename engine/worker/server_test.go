package worker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// Short requests follow each other on the same connections, so that whatever a reply leaves undone on its connection meets the next one.
func TestReplyLeavesTheNextRequestOnItsConnectionAlone(t *testing.T) {
	c := config("dense-tied")
	c.Threads = 1
	s := start(t, c)
	text := []engine.Piece{{Kind: engine.PieceText, Text: "hello"}}
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for i := range 250 {
				req := &engine.Request{ID: fmt.Sprint(c, i), Prompt: text, MaxTokens: 1}
				if _, _, err := s.generate(req); err != nil {
					t.Errorf("request %s: %v", req.ID, err)
					return
				}
			}
		})
	}
	clients.Wait()
}

// A reply may be over before all of its request has come: here an image that the prompt does not show. The rest is read, and the
// connection is as good as new.
func TestRequestThatOutlastsItsReplyIsReadToItsEnd(t *testing.T) {
	s := start(t, config("dense-tied"))
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	const line = `{"id":"a","prompt":[{"kind":"text","text":"hello"}],"images":[{"width":32,"height":32}],"max_tokens":2,"sampling":{}}` + "\n"
	pixels := make([]byte, 3*32*32)
	for range 3 {
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: worker\r\nContent-Length: %d\r\n\r\n%s", wire.PathGenerate, len(line)+len(pixels), line)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		for dec := json.NewDecoder(resp.Body); ; {
			var f wire.Frame
			if err := dec.Decode(&f); err != nil || f.Error != nil {
				t.Fatalf("%v, %+v", err, f.Error)
			}
			if f.Event.Result != nil {
				break
			}
		}
		if _, err := conn.Write(pixels); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(resp.Body); err != nil || strings.TrimSpace(string(rest)) != "" {
			t.Fatalf("%q, %v", rest, err)
		}
	}
}

func TestHealthShowsThatTheComputationsGetOn(t *testing.T) {
	s := start(t, config("dense-tied"))
	before := s.health(t)
	if before.Decode.Busy || before.Encode.Busy {
		t.Errorf("busy without a request: %+v", before)
	}
	_, reqs := requests(t, "dense-tied", 3)
	pictures := 0
	for _, r := range reqs {
		if _, _, err := s.generate(r); err != nil {
			t.Fatal(err)
		}
		pictures += len(r.Images)
	}
	after := s.health(t)
	if after.Decode.Steps < before.Decode.Steps+3 || after.Decode.Beats < before.Decode.Beats+100 {
		t.Errorf("decoding went from %+v to %+v", before.Decode, after.Decode)
	}
	if after.Encode.Steps < before.Encode.Steps+uint64(pictures) || after.Encode.Beats < before.Encode.Beats+100 {
		t.Errorf("encoding %d pictures went from %+v to %+v", pictures, before.Encode, after.Encode)
	}
}

// The weights go only after the last request that uses them, however many there are.
func TestStopWaitsForRequestsBeforeTheWeightsGo(t *testing.T) {
	for range 3 {
		s := start(t, config("dense-tied"))
		_, reqs := requests(t, "dense-tied", 50)
		var clients sync.WaitGroup
		begun := make(chan struct{}, 100)
		for range 8 {
			clients.Go(func() {
				for i := 0; ; i++ {
					if _, _, err := s.generate(reqs[i%len(reqs)]); err != nil {
						return
					}
					select {
					case begun <- struct{}{}:
					default:
					}
				}
			})
			clients.Go(func() {
				body := `{"pieces":[{"kind":"text","text":"` + strings.Repeat("word ", 2000) + `"}]}`
				for {
					resp, err := s.client.Post("http://worker"+wire.PathTokenize, "application/json", strings.NewReader(body))
					if err != nil {
						return
					}
					_ = resp.Body.Close()
				}
			})
		}
		<-begun
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		clients.Wait()
	}
}

func TestPipeInPlaceOfAModelIsRefused(t *testing.T) {
	c := config("dense-tied")
	c.Model = filepath.Join(t.TempDir(), "model.gguf")
	if err := syscall.Mkfifo(c.Model, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, c)
	if last := s.hello[len(s.hello)-1]; last.State != wire.StateFailed || !strings.Contains(last.Error, "named pipe") {
		t.Errorf("%+v", last)
	}
}

func TestLoadingTellsItsStages(t *testing.T) {
	s := start(t, config("dense-tied"))
	var stages []string
	for _, h := range s.hello {
		if len(stages) == 0 || stages[len(stages)-1] != h.Stage {
			stages = append(stages, h.Stage)
		}
	}
	if got := strings.Join(stages, " "); got != "header weights projector cache trial " {
		t.Errorf("%q", got)
	}
}
