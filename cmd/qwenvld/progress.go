package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/qwenvld/qwenvld/hub/pull"
)

// progress shows how downloads go: as bars where somebody looks on, else as a line now and then, or in the log.
type progress struct {
	out    io.Writer
	draws  bool         // bars
	logger *slog.Logger // nil writes lines
	width  func() int   // of the terminal
	now    func() time.Time

	mu    sync.Mutex
	files []*fetched // in the order in which they began
	drawn int        // lines of bars above the cursor
	last  time.Time  // when they were drawn
	ended bool
}

// fetched is a file on its way.
type fetched struct {
	pull.Event
	began    time.Time
	before   int64     // bytes that were there already
	told     time.Time // when a line last said how far it is
	toldDone int64
}

const (
	drawInterval = 100 * time.Millisecond
	lineInterval = 10 * time.Second
)

// newProgress shows to the standard error. logger, where given, gets what is not shown as bars.
func newProgress(e *environment, logger *slog.Logger) *progress {
	p := &progress{out: e.stderr, logger: logger, now: time.Now, width: func() int { return 80 }}
	p.draws = newTerminal(e, e.stderr).is && e.variable("TERM") != "dumb"
	if file, ok := e.stderr.(*os.File); ok && p.draws {
		p.width = func() int {
			if w, _, err := term.GetSize(int(file.Fd())); err == nil && w > 0 {
				return w
			}
			return 80
		}
	}
	return p
}

// report takes an event of a puller.
func (p *progress) report(event pull.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.file(event)
	switch {
	case p.ended:
	case p.draws:
		p.bars(event)
	default:
		p.line(f, event)
	}
}

// file is the file that event is about, brought up to date.
func (p *progress) file(event pull.Event) *fetched {
	for _, f := range p.files {
		if f.File == event.File {
			f.Event = event
			return f
		}
	}
	f := &fetched{Event: event, began: p.now(), before: event.Done}
	if event.Size > 0 {
		p.files = append(p.files, f)
	}
	return f
}

// line says what is new, but not more often than anybody wants to read.
func (p *progress) line(f *fetched, event pull.Event) {
	now := p.now()
	switch {
	case event.Note != "":
		p.write(event.File, event.Note)
	case event.Complete:
		p.write(event.File, "complete, "+sizeText(event.Size))
	case f.told.IsZero(), now.Sub(f.told) >= lineInterval && event.Done > f.toldDone:
		f.told, f.toldDone = now, event.Done
		p.write(event.File, f.state(now))
	}
}

func (p *progress) write(file, text string) {
	if p.logger != nil {
		p.logger.Info("fetching", "file", file, "state", text)
		return
	}
	_, _ = io.WriteString(p.out, harmless(file+": "+text)+"\n")
}

// state is how far f is and how fast it comes.
func (f *fetched) state(now time.Time) string {
	text := fmt.Sprintf("%s of %s", sizeText(f.Done), sizeText(f.Size))
	if took := now.Sub(f.began).Seconds(); took > 1 && f.Done > f.before {
		rate := float64(f.Done-f.before) / took
		left := time.Duration(float64(f.Size-f.Done)/rate) * time.Second
		text += fmt.Sprintf(", %s/s, %s left", sizeText(int64(rate)), left)
	}
	return text
}

// bars draws a line for each file, over those that it drew before.
func (p *progress) bars(event pull.Event) {
	now := p.now()
	if event.Note == "" && !event.Complete && now.Sub(p.last) < drawInterval {
		return
	}
	p.last = now
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.drawn)
	}
	width := p.width() - 1
	if event.Note != "" {
		b.WriteString("\x1b[2K" + fit(harmless(event.File+": "+event.Note), width) + "\n")
	}
	for _, f := range p.files {
		b.WriteString("\x1b[2K" + f.bar(width, now) + "\n")
	}
	p.drawn = len(p.files)
	_, _ = io.WriteString(p.out, b.String())
}

const barWidth = 20

// bar is a file's line, at most width wide.
func (f *fetched) bar(width int, now time.Time) string {
	full := barWidth
	if f.Size > 0 {
		full = int(int64(barWidth) * f.Done / f.Size)
	}
	state := f.state(now)
	if f.Complete {
		state = "complete, " + sizeText(f.Size)
	}
	end := " [" + strings.Repeat("#", full) + strings.Repeat(" ", barWidth-full) + "] " + state
	name := fit(harmless(f.File), max(8, width-len(end)))
	return fit(name+end, width)
}

// fit cuts text to so many characters.
func fit(text string, width int) string {
	if r := []rune(text); len(r) > width {
		return string(r[:max(0, width-1)]) + "~"
	}
	return text
}

// end shows nothing more.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

// sizeText is a number of bytes in the unit that fits it, as disks and hubs count.
func sizeText(n int64) string {
	units := []string{"kB", "MB", "GB", "TB"}
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	x, unit := float64(n)/1000, 0
	for x >= 999.5 && unit < len(units)-1 {
		x, unit = x/1000, unit+1
	}
	if x < 9.95 {
		return fmt.Sprintf("%.1f %s", x, units[unit])
	}
	return fmt.Sprintf("%.0f %s", x, units[unit])
}
