package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/qwenvld/qwenvld/internal/client"
)

func chatCommand(e *environment) *cobra.Command {
	var o askOptions
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk with a running daemon, or one of its own",
		Long: `Talk with a daemon, which is found as by qwenvld ask. Ctrl-C ends an answer; pressed again, or where none is being given, it
leaves, as does the end of the input. A line that ends with a backslash goes on. /help tells what else can be said.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			parts, err := o.attachments()
			if err != nil {
				return err
			}
			// Interrupts are the conversation's from here on: they end answers, not the command.
			signal.Reset(os.Interrupt)
			interrupts := make(chan os.Signal, 2)
			signal.Notify(interrupts, os.Interrupt)
			defer signal.Stop(interrupts)
			in, ok := cmd.InOrStdin().(*os.File)
			return withDaemon(cmd.Context(), e, cmd, &o, func(c *client.Client) error {
				t := &talk{
					client: c, printer: newPrinter(e), request: o.request(), parts: parts, interrupts: interrupts,
					prompts: ok && term.IsTerminal(int(in.Fd())),
				}
				return t.run(cmd.Context(), cmd.InOrStdin())
			})
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

// talk is a conversation.
type talk struct {
	client     *client.Client
	printer    *printer
	interrupts <-chan os.Signal
	prompts    bool // somebody types
	request    client.Request
	parts      []client.Part // for the next turn
	failed     bool          // an answer, when nobody types
}

// errLeave ends the conversation.
var errLeave = errors.New("leave")

// run reads turns from in until it ends.
func (t *talk) run(ctx context.Context, in io.Reader) error {
	lines := readLines(ctx, in)
	if t.prompts {
		t.printer.aside.faint("/help tells what can be said beside questions; Ctrl-C ends an answer, twice the conversation\n")
	}
	for warned := false; ; {
		t.prompt(">>> ")
		select {
		case <-ctx.Done():
			return errInterrupted
		case <-t.interrupts:
			if warned || !t.prompts {
				t.printer.aside.write("\n")
				return errInterrupted
			}
			warned = true
			t.printer.aside.faint("\n(Ctrl-C again leaves)\n")
		case line, ok := <-lines:
			warned = false
			if !ok {
				return t.end()
			}
			if err := t.take(ctx, t.whole(line, lines)); errors.Is(err, errLeave) {
				return t.end()
			} else if err != nil {
				return err
			}
		}
	}
}

func (t *talk) end() error {
	if t.prompts {
		t.printer.aside.write("\n")
	}
	if t.failed {
		return errors.New("not every question was answered")
	}
	return nil
}

func (t *talk) prompt(text string) {
	if t.prompts {
		t.printer.aside.write(text)
	}
}

// whole is a line with those that go on from it.
func (t *talk) whole(line string, lines <-chan string) string {
	for strings.HasSuffix(line, `\`) {
		t.prompt("... ")
		next, ok := <-lines
		if !ok {
			break
		}
		line = strings.TrimSuffix(line, `\`) + "\n" + next
	}
	return line
}

// readLines reads in until it ends or, unless it is in the middle of a line then, ctx does: a read of a terminal cannot
// be broken off, so its goroutine may last as long as the process.
func readLines(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(in)
		s.Buffer(nil, maxPiped)
		for s.Scan() {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

const help = `/image FILE   show an image with the next question (a file or a URL; /video likewise)
/think        think before each answer; /no-think: answer at once; /auto: as the router decides
/new          forget the conversation
/quit         leave
`

// take does what a line says: a command, or a question.
func (t *talk) take(ctx context.Context, text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	command, argument, _ := strings.Cut(strings.TrimSpace(text), " ")
	argument = strings.TrimSpace(argument)
	if !strings.HasPrefix(command, "/") || strings.Contains(command[1:], "/") { // a path is no command
		return t.ask(ctx, text)
	}
	yes, no := true, false
	switch command {
	case "/quit", "/exit", "/q":
		return errLeave
	case "/help", "/?":
		t.printer.aside.faint(help)
	case "/new", "/clear":
		t.forget()
		t.printer.aside.faint("a new conversation\n")
	case "/think":
		t.request.Think = &yes
		t.printer.aside.faint("thinking before each answer\n")
	case "/no-think", "/no_think", "/nothink":
		t.request.Think = &no
		t.printer.aside.faint("answering at once\n")
	case "/auto":
		t.request.Think = nil
		t.printer.aside.faint("thinking as the router decides\n")
	case "/image", "/video":
		t.attach(client.Kind(command[1:]), argument)
	default:
		t.complain(fmt.Errorf("there is no %s; /help tells what there is", command))
	}
	return nil
}

// forget drops all but what the model was told before.
func (t *talk) forget() {
	kept := t.request.Messages[:0:0]
	for _, m := range t.request.Messages {
		if m.Role == "system" {
			kept = append(kept, m)
		}
	}
	t.request.Messages, t.parts = kept, nil
}

func (t *talk) attach(kind client.Kind, name string) {
	part, err := client.File(kind, strings.Trim(name, `"'`))
	if err != nil {
		t.complain(err)
		return
	}
	t.parts = append(t.parts, part)
	t.printer.aside.faint("shown with the next question\n")
}

func (t *talk) complain(err error) {
	t.failed = t.failed || !t.prompts
	t.printer.aside.write("qwenvld: " + err.Error() + "\n")
}

// ask asks the next question. What was answered before an interrupt stays in the conversation; a question that was not
// answered does not.
func (t *talk) ask(ctx context.Context, text string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	interrupted := make(chan bool, 1)
	asking := make(chan struct{})
	go func() {
		select {
		case <-t.interrupts:
			cancel()
			interrupted <- true
		case <-asking:
			interrupted <- false
		}
	}()
	before := t.request.Messages
	t.request.Messages = slices.Concat(before, []client.Message{client.UserTurn(text, t.parts...)})
	a, err := t.printer.answer(ctx, t.client, &t.request)
	close(asking)
	stopped := <-interrupted
	if err == nil || stopped && a.content.Len() > 0 {
		t.request.Messages = append(t.request.Messages, client.Message{Role: "assistant", Content: a.content.String()})
		t.parts = nil
	} else {
		t.request.Messages = before
	}
	switch {
	case stopped && !t.prompts:
		return errInterrupted
	case stopped:
		t.printer.aside.faint("(interrupted)\n")
	case err != nil:
		t.complain(err)
	}
	return nil
}
