package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/router"
)

var errSecret = errors.New("boom at /secret/path")

func TestErrorsFromInsideBecomePublicOnes(t *testing.T) {
	for name, c := range map[string]struct {
		err         error
		origin      Origin
		status      int
		code, param string
		says        string
	}{
		"one already": {fmt.Errorf("x: %w", Field("n", CodeInvalidValue, "no")), Origin{}, 400, CodeInvalidValue, "n", "no"},
		"context":     {&engine.ContextLengthError{PromptTokens: 9, ContextSize: 8}, Origin{}, 400, CodeContextLength, "messages", "no room"},
		"counted": {
			&engine.ContextLengthError{PromptTokens: 9, ContextSize: 8},
			Origin{Prompt: "input", Counting: true},
			400, CodeContextLength, "input",
			"to be counted",
		},
		"sampling":    {&engine.RequestError{Field: "sampling.top_k", Message: "no"}, Origin{}, 400, CodeInvalidValue, "top_k", "no"},
		"prompt":      {&engine.RequestError{Field: "pieces", Message: "no"}, Origin{Prompt: "prompt"}, 400, CodeInvalidValue, "prompt", "no"},
		"field":       {&engine.RequestError{Field: "stop", Message: "no"}, Origin{}, 400, CodeInvalidValue, "stop", "no"},
		"budget":      {&router.BudgetError{Source: router.SourceThinking, Budget: 9, MaxTokens: 9}, Origin{}, 400, CodeInvalidValue, "thinking.budget_tokens", ""},
		"unavailable": {engine.ErrUnavailable, Origin{}, 503, CodeModelNotLoaded, "", "The model is not loaded"},
		"loading":     {&engine.UnavailableError{State: engine.StateLoading, Progress: 0.25}, Origin{}, 503, CodeModelNotLoaded, "", "is being loaded (25%)"},
		"downloading": {&engine.UnavailableError{State: engine.StateDownloading, Progress: 0.5}, Origin{}, 503, CodeModelNotLoaded, "", "is being fetched (50%)"},
		"unloading":   {&engine.UnavailableError{State: engine.StateUnloading}, Origin{}, 503, CodeModelNotLoaded, "", "is being unloaded"},
		"restarting":  {&engine.UnavailableError{State: engine.StateRestarting}, Origin{}, 503, CodeModelNotLoaded, "", "restarted"},
		"stalled":     {&engine.UnavailableError{State: engine.StateStalled}, Origin{}, 503, CodeModelNotLoaded, "", "does not respond"},
		"failed":      {&engine.UnavailableError{State: engine.StateFailed}, Origin{}, 503, CodeModelNotLoaded, "", "readiness says why"},
		"failed for":  {&engine.UnavailableError{State: engine.StateFailed, Reason: `open "/srv/x/m.gguf": damaged`}, Origin{}, 503, CodeModelNotLoaded, "", `could not be loaded: open "m.gguf": damaged.`},
		"unfit":       {&engine.UnavailableError{State: engine.StateUnloaded, Reason: "needs 9 MiB"}, Origin{}, 503, CodeModelNotLoaded, "", "is not loaded at the moment: needs 9 MiB."},
		"stopped":     {&engine.UnavailableError{State: engine.StateStopped}, Origin{}, 503, CodeModelNotLoaded, "", "not loaded"},
		"nothing":     {router.ErrNothingLoaded, Origin{}, 503, CodeModelNotLoaded, "", ""},
		"overloaded":  {fmt.Errorf("x: %w", engine.ErrOverloaded), Origin{}, 503, CodeOverloaded, "", "waiting"},
		"late":        {fmt.Errorf("x: %w", engine.ErrLate), Origin{}, 503, CodeDeadline, "", "could not begin in time"},
		"died":        {engine.ErrWorkerDied, Origin{}, 500, CodeWorkerDied, "", "restarted"},
		"unknown":     {errSecret, Origin{}, 500, CodeInternal, "", "had an error"},
		"stopping":    {fmt.Errorf("x: %w", ErrShuttingDown), Origin{}, 503, CodeShuttingDown, "", "shutting down"},
		"gone":        {fmt.Errorf("%w: x", ErrClientGone), Origin{}, StatusClientGone, CodeClientGone, "", ""},
	} {
		e := From(t.Context(), c.err, c.origin)
		if e.Status != c.status || e.Code != c.code || e.Param != c.param || !strings.Contains(e.Message, c.says) || strings.Contains(e.Message, "secret") {
			t.Errorf("%s: %+v", name, e)
		}
		if (e.Status == 503) != (e.RetryAfter > 0) {
			t.Errorf("%s: to be tried again in %v", name, e.RetryAfter)
		}
		if e.Status == 500 && !errors.Is(e, c.err) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}

func TestTheCauseOfACancellationExplainsWhatFollows(t *testing.T) {
	for cause, want := range map[error]string{
		ErrShuttingDown: CodeShuttingDown, DeadlineExceeded(time.Second): CodeDeadline, context.Canceled: CodeClientGone, errSecret: CodeClientGone, ErrClientGone: CodeClientGone,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if e := From(ctx, errSecret, Origin{}); e.Code != want {
			t.Errorf("%v: %s", cause, e.Code)
		}
		if e := From(ctx, Field("n", CodeInvalidValue, "no"), Origin{}); e.Code != CodeInvalidValue {
			t.Errorf("%v: a refusal became %s", cause, e.Code)
		}
	}
}

func TestMediaAtFaultAreNamed(t *testing.T) {
	const path = "messages[0].content[1]"
	for kind, want := range map[multimodal.Kind]struct {
		status       int
		image, video string
	}{
		multimodal.KindCorrupt:       {400, CodeImage, CodeVideo},
		multimodal.KindTooManyPixels: {413, CodeImageMemory, CodeVideoSize},
		multimodal.KindDecodeTime:    {400, CodeImageMemory, CodeVideoSize},
		multimodal.KindTimeout:       {400, CodeImageFetch, CodeVideoFetch},
		multimodal.KindForbidden:     {400, CodeImageForbidden, CodeVideoForbidden},
		multimodal.KindNoDecoder:     {400, CodeImage, CodeUnsupported},
	} {
		inner := fmt.Errorf("x: %w", &multimodal.Error{Kind: kind, Message: "no"})
		var image, video *Error
		if !errors.As(Image(path, inner), &image) || image.Status != want.status || image.Code != want.image || image.Param != path {
			t.Errorf("%v: %+v", kind, image)
		}
		if !errors.As(Video(path, inner), &video) || video.Status != want.status || video.Code != want.video || video.Param != path {
			t.Errorf("%v: %+v", kind, video)
		}
	}
	var e *Error
	busy := &multimodal.Error{Kind: multimodal.KindBusy, Message: "busy"}
	if !errors.As(Image(path, busy), &e) || e.Code != CodeOverloaded || !errors.As(Video(path, busy), &e) || e.Code != CodeOverloaded {
		t.Errorf("%+v", e)
	}
	if !errors.As(Image(path, &engine.ImageMemoryError{NeededBytes: 1<<20 + 1, LimitBytes: 1 << 20}), &e) || !strings.Contains(e.Message, "needs 2 MiB") {
		t.Errorf("%+v", e)
	}
	unnamed := Unavailable(CodeOverloaded, "x", nil)
	if !errors.As(Image(path, unnamed), &e) || e.Param != path || unnamed.Param != "" {
		t.Errorf("%+v", e)
	}
	if err := Image(path, errSecret); !errors.Is(err, errSecret) || errors.As(err, &e) && e.Code == "" {
		t.Error(err)
	}
	if Video(path, nil) != nil || !errors.Is(Video(path, errSecret), errSecret) {
		t.Error("errors of no medium are changed")
	}
}

func TestErrorsInOpenAIsForm(t *testing.T) {
	for want, e := range map[string]*Error{
		`{"error":{"message":"m","type":"invalid_request_error","param":"n","code":"invalid_value"},"request_id":"req_1"}`: Field("n", CodeInvalidValue, "m"),
		`{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"not_found"},"request_id":"req_1"}`:    NotFound("", CodeNotFound, "m"),
		`{"error":{"message":"m","type":"server_error","param":null,"code":null},"request_id":"req_1"}`:                    {Type: TypeServer, Message: "m"},
	} {
		if got, err := json.Marshal(e.Wire("req_1")); err != nil || string(got) != want {
			t.Errorf("%s, %v", got, err)
		}
	}
	e := Overloaded(errSecret)
	if !strings.Contains(e.Error(), errSecret.Error()) || Field("n", "", "m").Error() != "n: m" {
		t.Error(e)
	}
}
