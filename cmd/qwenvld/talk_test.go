package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/internal/client"
)

// watched calls saw with everything that has been written, at each write.
type watched struct {
	text strings.Builder
	saw  func(all string)
}

func (w *watched) Write(p []byte) (int, error) {
	w.text.Write(p)
	if w.saw != nil {
		w.saw(w.text.String())
	}
	return len(p), nil
}

func TestAnInterruptEndsTheAnswerAndASecondTheConversation(t *testing.T) {
	d := newFakeDaemon()
	defer d.server.Close()
	interrupts := make(chan os.Signal, 2)
	in, keyboard := io.Pipe()
	defer keyboard.Close()
	interruptions, left := 0, 0
	out := &watched{saw: func(all string) {
		if strings.HasSuffix(all, "I beg") {
			interrupts <- os.Interrupt
		}
	}}
	aside := &watched{saw: func(all string) {
		switch {
		case interruptions == 0 && strings.HasSuffix(all, "(interrupted)\n"):
			interruptions++
			go io.WriteString(keyboard, "and then?\n")
		case interruptions == 1 && strings.Contains(all, "5 tokens") && strings.HasSuffix(all, ">>> "):
			interruptions++
			interrupts <- os.Interrupt
		case left == 0 && strings.HasSuffix(all, "(Ctrl-C again leaves)\n"):
			left++
			interrupts <- os.Interrupt
		}
	}}
	c := client.New(client.Options{URL: d.server.URL})
	defer c.Close()
	talk := &talk{
		client: c, printer: &printer{out: terminal{w: out}, aside: terminal{w: aside}}, request: client.Request{Model: "auto"},
		interrupts: interrupts, prompts: true,
	}
	go io.WriteString(keyboard, "talk for ever\n")
	if err := talk.run(t.Context(), in); !errors.Is(err, errInterrupted) {
		t.Errorf("%v", err)
	}
	<-d.left
	want := []client.Message{
		{Role: "user", Content: "talk for ever"},
		{Role: "assistant", Content: "I beg"},
		{Role: "user", Content: "and then?"},
		{Role: "assistant", Content: `user "talk for ever", assistant "I beg", user "and then?"`},
	}
	if diff := cmp.Diff(want, talk.request.Messages); diff != "" {
		t.Error(diff)
	}
}

func TestThoughtsAreDimmedOnATerminalOnly(t *testing.T) {
	for name, c := range map[string]struct {
		t    terminal
		want string
	}{
		"file":     {terminal{}, "a\x1b]0;b"},
		"terminal": {terminal{is: true, dim: true}, "\x1b[2ma]0;b\x1b[22m"},
		"no color": {terminal{is: true}, "a]0;b"},
	} {
		var out bytes.Buffer
		c.t.w = &out
		c.t.faint("a\x1b]0;b")
		if out.String() != c.want {
			t.Errorf("%s: %q", name, out.String())
		}
	}
	if got := newTerminal(&environment{variables: []string{"NO_COLOR=1"}}, os.Stdout); got.dim {
		t.Error("dimmed in spite of NO_COLOR")
	}
}
