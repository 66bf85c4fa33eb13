package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/internal/client"
)

// askOptions are what `qwenvld ask` and `qwenvld chat` have in common.
type askOptions struct {
	url, model, system string
	images, videos     []string
	think, noThink     bool
	maxTokens          int
}

func (o *askOptions) addFlags(flags *pflag.FlagSet) {
	addURLFlag(flags, &o.url)
	config.AddFileFlag(flags)
	flags.StringVar(&o.model, "model", "auto", "model to ask; auto lets the router choose between instruct and thinking")
	flags.StringVar(&o.system, "system", "", "what the model is told before the conversation")
	flags.StringArrayVar(&o.images, "image", nil, "file or URL of an image to ask about; may be given several times")
	flags.StringArrayVar(&o.videos, "video", nil, "file or URL of a video to ask about; may be given several times")
	flags.BoolVar(&o.think, "think", false, "think before the answer")
	flags.BoolVar(&o.noThink, "no-think", false, "answer at once")
	flags.IntVar(&o.maxTokens, "max-tokens", 0, "most tokens of thoughts and answer together (default: what the daemon allows)")
}

// check refuses flags of cmd that contradict each other or mean nothing.
func (o *askOptions) check(cmd *cobra.Command) error {
	if o.maxTokens < 0 {
		return &usageError{cmd, fmt.Errorf("--max-tokens must not be negative, it is %d", o.maxTokens)}
	}
	return oneOf(cmd, [2]string{"think", "no-think"}, [2]string{"url", "config"})
}

// thinking is what the flags ask for, nil where that is the router's choice.
func (o *askOptions) thinking() *bool {
	switch {
	case o.think, o.noThink:
		return &o.think
	default:
		return nil
	}
}

// request begins a conversation.
func (o *askOptions) request() client.Request {
	req := client.Request{Model: o.model, Think: o.thinking(), MaxTokens: o.maxTokens}
	if o.system != "" {
		req.Messages = []client.Message{{Role: "system", Content: o.system}}
	}
	return req
}

// attachments are the files that the flags name.
func (o *askOptions) attachments() ([]client.Part, error) {
	var parts []client.Part
	for kind, names := range map[client.Kind][]string{client.Image: o.images, client.Video: o.videos} {
		for _, name := range names {
			part, err := client.File(kind, name)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
	}
	return parts, nil
}

func askCommand(e *environment) *cobra.Command {
	var o askOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ask QUESTION...",
		Short: "Ask a running daemon, or one of its own, and print the answer",
		Long: `Ask a daemon and print its answer: the one at --url or $` + config.VariableURL + `, else the one that runs on this machine,
else one that is started for this question alone, with --config if that is given. A key is taken from $` + config.VariableKey + `.

The answer goes to the standard output; the thoughts before it, and at the end who answered and why, to the standard error. What comes
from a pipe is put before the question, and - as the question reads it from there.

Exit codes: 0 answered, 1 failed, 2 wrong command line, 130 interrupted.`,
		Example: `  qwenvld ask --image receipt.jpg "What is the total?"
  git diff | qwenvld ask --think "What could go wrong here?"
  qwenvld ask --video clip.mp4 --json "What happens?" | jq .usage`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			text, err := askText(args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			parts, err := o.attachments()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			err = withDaemon(ctx, e, cmd, &o, func(c *client.Client) error {
				req := o.request()
				req.Messages = append(req.Messages, client.UserTurn(text, parts...))
				if asJSON {
					return askJSON(ctx, c, &req, cmd.OutOrStdout())
				}
				_, err := newPrinter(e).answer(ctx, c, &req)
				return err
			})
			return interruption(ctx, err)
		},
	}
	o.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the daemon's whole reply as JSON instead of streaming the answer")
	return cmd
}

// maxPiped bounds what is read of the standard input, in bytes.
const maxPiped = 16 << 20

// askText is the question with what was piped in before it.
func askText(args []string, in io.Reader) (string, error) {
	text, err := question(args, in, maxPiped)
	if err != nil || len(args) == 1 && args[0] == "-" {
		return text, err
	}
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return text, nil
	}
	piped, err := question([]string{"-"}, in, maxPiped)
	if err != nil || strings.TrimSpace(piped) == "" {
		return text, err
	}
	return piped + "\n\n" + text, nil
}

// interruptible is ctx, ended by Ctrl-C.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Reset(os.Interrupt)
	return signal.NotifyContext(ctx, os.Interrupt)
}

// interruption is errInterrupted where err came of the end of ctx.
func interruption(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

func askJSON(ctx context.Context, c *client.Client, req *client.Request, out io.Writer) error {
	reply, err := c.Chat(ctx, req)
	if err != nil {
		return explain(err)
	}
	var text bytes.Buffer
	if err := json.Indent(&text, reply, "", "  "); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_, err = fmt.Fprintln(out, text.String())
	return err
}

// explain adds what to do about an error of asking.
func explain(err error) error {
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == 401 {
		return fmt.Errorf("%w Put the key into $%s", err, config.VariableKey)
	}
	return err
}
