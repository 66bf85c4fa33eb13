package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/internal/client"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/router"
)

// routeOptions are what `qwenvld route` asks beside its text.
type routeOptions struct {
	files, videos []string
	images        int
	explain       bool
}

func routeCommand(e *environment) *cobra.Command {
	var o routeOptions
	var quality float64
	var weights string
	cmd := &cobra.Command{
		Use:   "route TEXT...",
		Short: "Say which weights would answer a question, and why; - reads it from the standard input",
		Long: `Say which weights would answer a question, and why: what POST /v1/route of a daemon with the same configuration says, with
all weights loaded, of a conversation that begins with the question. Of images only the number counts. Files are decoded all the
same, within the configured limits, so that what is counted is an image. --explain adds the features that the weights know, the
weightiest first: by how much each moves the log-odds in favour of thinking, and where it was found.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.images < 0 {
				return &usageError{cmd, fmt.Errorf("--images must not be negative, it is %d", o.images)}
			}
			c, err := config.Load(cmd.Flags(), e.variables)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("quality") {
				c.Router.Quality = quality
			}
			if weights != "" {
				c.Router.Weights = weights
			}
			if err := c.Validate(); err != nil {
				return err
			}
			text, err := question(args, cmd.InOrStdin(), c.Limits.BodyBytes)
			if err != nil {
				return err
			}
			decision, err := decide(cmd.Context(), e, c, text, &o)
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintln(cmd.OutOrStdout(), decision); err != nil || !o.explain {
				return err
			}
			return explainRoute(cmd.OutOrStdout(), c, text, &o)
		},
	}
	flags := cmd.Flags()
	config.AddFileFlag(flags)
	flags.StringArrayVar(&o.files, "image", nil, "file of an image that comes with the question; may be given several times")
	flags.IntVar(&o.images, "images", 0, "number of images that come with the question and are not at hand")
	flags.StringArrayVar(&o.videos, "video", nil, "file of a video that comes with the question; may be given several times")
	flags.BoolVar(&o.explain, "explain", false, "also print what each feature of the question weighs, for thinking or against it")
	flags.Float64Var(&quality, "quality", config.Default().Router.Quality, "0, never think unasked, to 10, think wherever it does no harm")
	flags.StringVar(&weights, "weights", "", "file of weights instead of those that the daemon would take")
	return cmd
}

// question is the words of the command line, or where they are just a dash, the standard input.
func question(args []string, in io.Reader, most int64) (string, error) {
	if len(args) != 1 || args[0] != "-" {
		return strings.Join(args, " "), nil
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return "", fmt.Errorf("read the question: %w", err)
	}
	if int64(len(text)) > most {
		return "", fmt.Errorf("the standard input has more than the %d bytes that a request may have", most)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

// decide asks a server that is put together as the daemon's is, with engines that say what they hold and cannot answer.
func decide(ctx context.Context, e *environment, c *config.Config, text string, o *routeOptions) (string, error) {
	turn, err := routedTurn(ctx, c, text, o)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(client.Request{Model: "auto", Messages: []client.Message{turn}})
	if err != nil {
		return "", fmt.Errorf("encode the request: %w", err)
	}
	open := *c
	open.Keys = nil // this command needs none
	m, err := chooseModel(e, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	m = modelAtHand(e, m)
	a, err := serverConfig(&open, nil, nil)
	if err != nil {
		return "", err
	}
	a.Models = []api.Model{{ID: m.ID, Engines: standIns(m)}}
	server, err := api.New(a)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/v1/route", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	reply := &replyBuffer{header: http.Header{}, status: http.StatusOK}
	server.ServeHTTP(reply, req)
	return routing(reply)
}

// routing is the decision in a reply to POST /v1/route, indented.
func routing(reply *replyBuffer) (string, error) {
	var out struct {
		Routing json.RawMessage `json:"routing"`
		Error   struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(reply.body.Bytes(), &out); err != nil {
		return "", fmt.Errorf("read the decision: %w", err)
	}
	if reply.status != http.StatusOK {
		return "", errors.New(out.Error.Message)
	}
	var text bytes.Buffer
	if err := json.Indent(&text, out.Routing, "", "  "); err != nil {
		return "", fmt.Errorf("read the decision: %w", err)
	}
	return text.String(), nil
}

// routedTurn is the user's turn: the media at hand, stand-ins for those that are not, and the text.
func routedTurn(ctx context.Context, c *config.Config, text string, o *routeOptions) (client.Message, error) {
	var parts []client.Part
	for _, name := range o.files {
		if err := checkImage(ctx, name, &c.Media); err != nil {
			return client.Message{}, err
		}
	}
	for kind, names := range map[client.Kind][]string{client.Image: o.files, client.Video: o.videos} {
		for _, name := range names {
			part, err := client.File(kind, name)
			if err != nil {
				return client.Message{}, err
			}
			parts = append(parts, part)
		}
	}
	const dot = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
	for range o.images {
		part, err := client.File(client.Image, dot)
		if err != nil {
			return client.Message{}, err
		}
		parts = append(parts, part)
	}
	return client.UserTurn(text, parts...), nil
}

var _ engine.Engine = (*standIn)(nil)

// standIn is an engine that says what weights it would hold.
type standIn struct {
	engine.Engine // nil: nothing else is asked of it

	info engine.Info
}

// Info implements engine.Engine.
func (s *standIn) Info(context.Context) (engine.Info, error) { return s.info, nil }

// standIns are engines for the weights of m. The context is that of the file, where it is at hand.
func standIns(m *config.Model) map[router.Variant]engine.Engine {
	out := map[router.Variant]engine.Engine{}
	for variant, w := range map[router.Variant]config.Weights{router.Instruct: m.Instruct, router.Thinking: m.Thinking} {
		if w.Model == "" && !w.Remote() {
			continue
		}
		s := &standIn{info: engine.Info{ContextSize: m.Engine.ContextSize, Vision: &engine.VisionInfo{}}}
		if file, err := gguf.ReadModel(w.Model); err == nil {
			if wc, err := workerConfig(&m.Engine, w).WithDefaults(file.TrainedContext()); err == nil {
				s.info.ContextSize = wc.ContextSize
			}
		}
		out[variant] = s
	}
	return out
}

// replyBuffer keeps a reply.
type replyBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *replyBuffer) Header() http.Header         { return r.header }
func (r *replyBuffer) WriteHeader(status int)      { r.status = status }
func (r *replyBuffer) Write(p []byte) (int, error) { return r.body.Write(p) }

// checkImage refuses what cannot be decoded as an image within m's limits.
func checkImage(ctx context.Context, name string, m *config.Media) error {
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, m.ImageBytes+1))
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	if int64(len(data)) > m.ImageBytes {
		return fmt.Errorf("image %s: it has more than the %d bytes that are allowed", name, m.ImageBytes)
	}
	if _, err := multimodal.Decode(ctx, data, m.ImagePixels); err != nil {
		return fmt.Errorf("image %s: %w", name, err)
	}
	return nil
}
