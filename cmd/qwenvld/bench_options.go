package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/qwenvld/qwenvld/internal/loadtest"
	"github.com/qwenvld/qwenvld/internal/loadtest/scenario"
)

// readTarget reads a server as --target names it.
func readTarget(text string, variable func(string) string) (*loadtest.Target, error) {
	name, rest, ok := strings.Cut(text, "=")
	parts := strings.Split(rest, ",")
	if !ok || name == "" || parts[0] == "" {
		return nil, errors.New("this is not NAME=URL")
	}
	t := &loadtest.Target{}
	t.Name, t.URL = name, parts[0]
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "pid":
			pid, err := strconv.Atoi(value)
			if err != nil || pid < 1 {
				return nil, fmt.Errorf("%q is no process", value)
			}
			t.PIDs = append(t.PIDs, pid)
		case "model":
			t.Model = value
		case "other":
			t.OtherURL = value
		case "other-model":
			t.OtherModel = value
		case "key-variable":
			if t.Key = variable(value); t.Key == "" {
				return nil, fmt.Errorf("the environment has no %s", value)
			}
		case "ignore-eos":
			t.Extra = map[string]any{"ignore_eos": true}
		default:
			return nil, fmt.Errorf("there is no option %q of a server", key)
		}
	}
	return t, nil
}

// benchSizes are options that say how large everything is. What is not given is as in published figures, or smaller
// with quick.
type benchSizes struct {
	quick               bool
	answer              int
	depths              []int
	picture, resolution string
	video, requests     string
	rate, temperature   float64
	count, atOnce       int
	maxPixels           int
	banned              []int
	given               func(name string) bool // whether an option was
}

func (s *benchSizes) flags(f *pflag.FlagSet) {
	s.given = f.Changed
	f.BoolVar(&s.quick, "quick", false, "smaller texts, pictures and answers")
	f.IntVar(&s.answer, "answer", 0, "tokens of an answer")
	f.IntSliceVar(&s.depths, "depths", nil, "lengths of the prompts of depth")
	f.StringVar(&s.picture, "picture", "", "what pictures show: tiles or noise")
	f.StringVar(&s.resolution, "picture-size", "", "their size, such as 512x512")
	f.StringVar(&s.video, "video", "", "file of a video, instead of one that is drawn")
	f.IntVar(&s.maxPixels, "video-max-pixels", 0, "most pixels of a frame, for servers that take max_pixels")
	f.StringVar(&s.requests, "requests", "", "file of chat requests, one JSON object a line, for the scenario requests")
	f.Float64Var(&s.rate, "rate", 0, "requests a second, by chance, of arrivals and requests; of requests 0 sends all at once")
	f.IntVar(&s.count, "count", 0, "number of requests of arrivals and requests")
	f.IntVar(&s.atOnce, "at-once", 0, "at most so many of them on their way; 0 for all")
	f.Float64Var(&s.temperature, "temperature", 0, "temperature of all answers")
	f.IntSliceVar(&s.banned, "ban", nil, "tokens that no answer may have, by logit_bias: those that would end it")
}

func (s *benchSizes) read() (scenario.Sizes, error) {
	sizes := scenario.Full()
	if s.quick {
		sizes = scenario.Quick()
	}
	if s.given("answer") {
		sizes.Answer = s.answer
	}
	if s.given("depths") {
		sizes.Depths = s.depths
	}
	if s.given("picture") {
		sizes.Picture.Kind = s.picture
	}
	if s.given("picture-size") {
		if _, err := fmt.Sscanf(s.resolution, "%dx%d", &sizes.Picture.Width, &sizes.Picture.Height); err != nil {
			return sizes, fmt.Errorf("--picture-size %s: this is not WIDTHxHEIGHT", s.resolution)
		}
	}
	sizes.AtOnce, sizes.Temperature, sizes.Banned, sizes.Video.MaxPixels = s.atOnce, s.temperature, s.banned, s.maxPixels
	if s.requests != "" {
		var err error
		if sizes.Requests, err = readRequests(s.requests); err != nil {
			return sizes, err
		}
		sizes.Arrivals, sizes.Count = 0, 0
	}
	if s.given("rate") {
		sizes.Arrivals = s.rate
	}
	if s.given("count") {
		sizes.Count = s.count
	}
	if s.video == "" {
		return sizes, nil
	}
	var err error
	if sizes.Video.Data, err = os.ReadFile(s.video); err != nil {
		return sizes, fmt.Errorf("read the video: %w", err)
	}
	return sizes, nil
}

// readRequests reads requests as they are logged: those of chat completions, one a line.
func readRequests(name string) ([]scenario.Body, error) {
	data, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("read the requests: %w", err)
	}
	var out []scenario.Body
	for n, line := range slices.Collect(bytes.Lines(data)) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var body scenario.Body
		if err := json.Unmarshal(line, &body); err != nil || body["messages"] == nil {
			return nil, fmt.Errorf("%s, line %d: this is no chat request", name, n+1)
		}
		out = append(out, body)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no requests", name)
	}
	return out, nil
}
