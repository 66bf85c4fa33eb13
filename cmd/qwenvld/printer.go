package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/qwenvld/qwenvld/internal/client"
)

// printer shows answers as they come.
type printer struct {
	out, aside terminal // for the answer, and for all that goes with it
}

// terminal is a stream that may be one.
type terminal struct {
	w io.Writer
	// is says that somebody looks at it, dim that it can show text dimmed.
	is, dim bool
}

func newPrinter(e *environment) *printer {
	return &printer{out: newTerminal(e, e.stdout), aside: newTerminal(e, e.stderr)}
}

func newTerminal(e *environment, w io.Writer) terminal {
	file, ok := w.(*os.File)
	is := ok && term.IsTerminal(int(file.Fd()))
	return terminal{w: w, is: is, dim: is && e.variable("NO_COLOR") == "" && e.variable("TERM") != "dumb"}
}

// write shows text. What a model says must not command a terminal.
func (t *terminal) write(text string) {
	if t.is {
		text = harmless(text)
	}
	_, _ = io.WriteString(t.w, text)
}

// faint writes text dimmed where that can be shown.
func (t *terminal) faint(text string) {
	if !t.dim {
		t.write(text)
		return
	}
	_, _ = io.WriteString(t.w, "\x1b[2m"+harmless(text)+"\x1b[22m")
}

// harmless drops control characters other than line ends and tabs.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// answered is what is known of an answer at its end.
type answered struct {
	content   strings.Builder
	reasoning bool // some came
	model     string
	routing   *client.Routing
	usage     *client.Usage
	finish    string
}

// answer asks and shows the answer as it comes. What came before an error is returned with it.
func (p *printer) answer(ctx context.Context, c *client.Client, req *client.Request) (*answered, error) {
	a := &answered{}
	began := time.Now()
	ends := lineEnd{}
	var failure error
	for ev, err := range c.Stream(ctx, req) {
		if err != nil {
			failure = explain(err)
			break
		}
		p.show(a, &ev, &ends)
	}
	ends.close(p)
	if failure != nil {
		return a, failure
	}
	p.aside.faint(a.summary(time.Since(began)) + "\n")
	return a, nil
}

// lineEnd remembers which stream is in the middle of a line.
type lineEnd struct{ out, aside bool }

func (l *lineEnd) close(p *printer) {
	if l.aside {
		p.aside.write("\n")
	}
	if l.out {
		p.out.write("\n")
	}
	*l = lineEnd{}
}

func (p *printer) show(a *answered, ev *client.Event, ends *lineEnd) {
	if ev.Model != "" {
		a.model = ev.Model
	}
	if ev.Routing != nil {
		a.routing = ev.Routing
	}
	if ev.Usage != nil {
		a.usage = ev.Usage
	}
	if ev.Finish != "" {
		a.finish = ev.Finish
	}
	if text := ev.Reasoning; text != "" {
		if !a.reasoning {
			text = strings.TrimLeft(text, "\n")
		}
		if text != "" {
			a.reasoning = true
			p.aside.faint(text)
			ends.aside = !strings.HasSuffix(text, "\n")
		}
	}
	if text := ev.Content; text != "" {
		if a.content.Len() == 0 {
			if text = strings.TrimLeft(text, "\n"); text == "" {
				return
			}
			if ends.aside {
				p.aside.write("\n")
				ends.aside = false
			}
			if a.reasoning && p.aside.is && p.out.is {
				p.aside.write("\n")
			}
		}
		a.content.WriteString(text)
		p.out.write(text)
		ends.out = !strings.HasSuffix(text, "\n")
	}
}

// summary says who answered and why.
func (a *answered) summary(took time.Duration) string {
	var b strings.Builder
	b.WriteString("[" + a.model)
	if r := a.routing; r != nil {
		b.WriteString(", " + why(r))
	}
	if u := a.usage; u != nil {
		fmt.Fprintf(&b, "; %d tokens", u.CompletionTokens)
		if n := u.Details.ReasoningTokens; n > 0 {
			fmt.Fprintf(&b, ", %d of them thoughts", n)
		}
	}
	fmt.Fprintf(&b, "; %.1f s", took.Seconds())
	if r := a.routing; r != nil {
		b.WriteString(map[string]string{
			"budget": "; the thoughts reached their bound", "loop": "; the thoughts only repeated themselves and were ended",
		}[r.ClosedBy])
	}
	if a.finish == "length" {
		b.WriteString("; cut: the bound on tokens was reached")
	}
	return b.String() + "]"
}

// why puts a routing into words.
func why(r *client.Routing) string {
	switch r.Source {
	case "router":
		text := fmt.Sprintf("chosen by the router (%.2f, thinking from %.2f", r.Score, r.Threshold)
		if len(r.Reasons) > 0 {
			text += "; " + strings.Join(r.Reasons, ", ")
		}
		return text + ")"
	case "phrase":
		return "chosen by the words of the question"
	default:
		return "as asked for"
	}
}
