// Package drive plays the stages of a scenario against a server and writes down what comes back, and when.
//
// It must not know what a scenario is for, nor judge what it sees: figures are made elsewhere.
package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/internal/client"
	"github.com/qwenvld/qwenvld/internal/loadtest/scenario"
)

// Target is a server.
type Target struct {
	Name string
	URL  string
	// Key is its API key, "" for none.
	Key string
	// Model is the model's name.
	Model string
	// OtherURL and OtherModel are who answers what is for the other model; "" for the same.
	OtherURL, OtherModel string
	// Extra are members that every request to it gets.
	Extra map[string]any
}

// FindModel asks the server for its models and takes the first one where t has none.
func (t *Target) FindModel(ctx context.Context) error {
	if t.Model != "" {
		return nil
	}
	c := client.New(client.Options{URL: t.URL, Key: t.Key})
	defer c.Close()
	status, body, err := c.Get(ctx, "/v1/models")
	if err != nil {
		return fmt.Errorf("ask %s for its models: %w", t.Name, err)
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil || len(list.Data) == 0 {
		return fmt.Errorf("ask %s for its models: status %d, no list; name one with model=", t.Name, status)
	}
	t.Model = list.Data[0].ID
	return nil
}

// address is who answers an ask.
func (t *Target) address(other bool) (url, model string) {
	url, model = t.URL, t.Model
	if other && t.OtherURL != "" {
		url = t.OtherURL
	}
	if other && t.OtherModel != "" {
		model = t.OtherModel
	}
	return url, model
}

// request is what an ask becomes for this server.
func (t *Target) request(a *scenario.Ask) (url string, body scenario.Body) {
	url, model := t.address(a.Other)
	body = maps.Clone(a.Body)
	maps.Copy(body, t.Extra)
	body["model"], body["stream"] = model, true
	body["stream_options"] = map[string]bool{"include_usage": true}
	return url, body
}

// errNoGauge says that a server does not tell how many cells are taken.
var errNoGauge = errors.New("there is no gauge of cells")

// LiveCells is how many cells of the server's cache are taken by requests that are worked on.
func (t *Target) liveCells(ctx context.Context) (float64, error) {
	c := client.New(client.Options{URL: t.URL, Key: t.Key})
	defer c.Close()
	status, body, err := c.Get(ctx, "/metrics")
	if err != nil || status != 200 {
		return 0, errNoGauge
	}
	total, found := 0.0, false
	for line := range bytes.Lines(body) {
		name, value, ok := strings.Cut(strings.TrimSpace(string(line)), "} ")
		if !ok || !strings.HasPrefix(name, "qwenvld_kv_cells{") || !strings.Contains(name, `state="live"`) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, errNoGauge
		}
		total, found = total+n, true
	}
	if !found {
		return 0, errNoGauge
	}
	return total, nil
}

// Times in which cells become free. A gauge is as old as the last check of the worker, so one zero is no proof.
const (
	gaugeInterval = 500 * time.Millisecond
	zeros         = 8
	longestFree   = time.Minute
)

// AwaitFreeCells waits until no cell is taken, and returns how many still are and how long it took until none was.
// It is false where the server does not tell.
func (t *Target) AwaitFreeCells(ctx context.Context) (live float64, took time.Duration, ok bool) {
	return awaitZero(ctx, t.liveCells)
}

func awaitZero(ctx context.Context, gauge func(context.Context) (float64, error)) (last float64, took time.Duration, ok bool) {
	began := time.Now()
	tick := time.NewTicker(gaugeInterval)
	defer tick.Stop()
	for seen := 0; time.Since(began) < longestFree; {
		n, err := gauge(ctx)
		if err != nil {
			return 0, 0, false
		}
		if last = n; n > 0 {
			seen = 0
		} else if seen++; seen == 1 {
			took = time.Since(began)
		}
		if seen == zeros {
			return 0, took, true
		}
		select {
		case <-ctx.Done():
			return last, time.Since(began), false
		case <-tick.C:
		}
	}
	return last, time.Since(began), true
}
