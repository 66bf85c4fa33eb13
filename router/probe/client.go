package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// client asks one daemon.
type client struct {
	http  *http.Client
	o     *Options
	sleep func(ctx context.Context, d time.Duration) error
}

// reply is an answer with what it cost.
type reply struct {
	text    string   // the answer, without thoughts
	calls   []string // tool calls: name and arguments, in canonical JSON
	cut     bool     // at max_tokens
	tokens  int
	seconds float64 // of the attempt that succeeded
}

// statusError is a reply of the daemon that is no answer.
type statusError struct {
	status     int
	message    string
	retryAfter time.Duration
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.message) }

// refused reports that asking other prompts may succeed: the fault is this one's.
func refused(err error) bool {
	var s *statusError
	if !errors.As(err, &s) {
		return errors.Is(err, context.DeadlineExceeded)
	}
	return !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, s.status)
}

const (
	attempts    = 6
	firstWait   = time.Second
	longestWait = 2 * time.Minute
	maxReply    = 16 << 20 // bytes
)

// ask repeats a request while the daemon is busy, restarting or not to be reached.
func (c *client) ask(ctx context.Context, model string, p *Prompt) (*reply, error) {
	body, err := p.request(model, c.o.MaxTokens)
	if err != nil {
		return nil, err
	}
	wait := firstWait
	for attempt := 1; ; attempt++ {
		r, err := c.once(ctx, body)
		if err == nil || ctx.Err() != nil || attempt == attempts || !passing(err) {
			return r, err
		}
		pause := wait
		var s *statusError
		if errors.As(err, &s) && s.retryAfter > 0 {
			pause = s.retryAfter
		}
		if err := c.sleep(ctx, min(pause, longestWait)); err != nil {
			return nil, err
		}
		wait *= 2
	}
}

// passing reports that the same request may succeed later.
func passing(err error) bool {
	var s *statusError
	if !errors.As(err, &s) {
		return !errors.Is(err, errReply) && !errors.Is(err, context.DeadlineExceeded)
	}
	return slices.Contains([]int{
		http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}, s.status)
}

// errReply says that something answers at the URL that is no chat API.
var errReply = errors.New("this is no reply of a chat API")

func (c *client) once(ctx context.Context, body []byte) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	endpoint := strings.TrimSuffix(c.o.URL, "/") + "/chat/completions"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Key)
	}
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("read the reply: %w", err)
	}
	took := time.Since(start).Seconds()
	if resp.StatusCode != http.StatusOK {
		return nil, &statusError{resp.StatusCode, messageOf(data), retryAfter(resp.Header.Get("Retry-After"))}
	}
	r, err := decode(data)
	if err != nil {
		return nil, err
	}
	r.seconds = took
	return r, nil
}

// messageOf is what an error's body says.
func messageOf(data []byte) string {
	var e struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(data, &e) == nil && e.Error.Message != "" {
		return e.Error.Message
	}
	const bound = 200
	return string(data[:min(len(data), bound)])
}

// retryAfter reads seconds or a date; anything else is 0.
func retryAfter(v string) time.Duration {
	if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds > 0 && seconds <= longestWait.Seconds() {
		return time.Duration(seconds * float64(time.Second))
	} else if err == nil && seconds > 0 {
		return longestWait
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

func decode(data []byte) (*reply, error) {
	var body struct {
		Choices []struct {
			FinishReason string `json:"finish_reason"`
			Message      struct {
				Content   string `json:"content"`
				ToolCalls []struct {
					Function struct {
						Name      string `json:"name"`
						Arguments string `json:"arguments"`
					} `json:"function"`
				} `json:"tool_calls"`
			} `json:"message"`
		} `json:"choices"`
		Usage struct {
			CompletionTokens int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	if len(body.Choices) == 0 {
		return nil, fmt.Errorf("%w: it has no choices", errReply)
	}
	choice := &body.Choices[0]
	r := &reply{text: choice.Message.Content, cut: choice.FinishReason == "length", tokens: body.Usage.CompletionTokens}
	for _, call := range choice.Message.ToolCalls {
		r.calls = append(r.calls, call.Function.Name+" "+canonical(call.Function.Arguments))
	}
	slices.Sort(r.calls)
	return r, nil
}

// canonical writes JSON with sorted keys and no spaces; what is no JSON stays.
func canonical(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	out, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(out)
}
