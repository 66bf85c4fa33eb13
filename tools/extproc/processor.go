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
	"strconv"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

const (
	// maxBody bounds a request, in bytes, as the daemon does.
	maxBody = 64 << 20
	// headerModel is the header by which gateways for inference choose a pool.
	headerModel = "x-gateway-model-name"
	// headerVariant and headerBudget tell the decision itself.
	headerVariant = "x-qwenvld-variant"
	headerBudget  = "x-qwenvld-thinking-budget"
)

// processor asks the daemon for each request.
type processor struct {
	extproc.UnimplementedExternalProcessorServer

	router, key string
	// names are those of the weights in their pools, by variant; the request's model and the variant where they are
	// empty.
	names    map[string]string
	patience time.Duration
	client   *http.Client
	logger   *slog.Logger
}

var _ extproc.ExternalProcessorServer = (*processor)(nil)

// Process follows one request: its header, then its body, of which Envoy is to buffer all.
func (p *processor) Process(stream extproc.ExternalProcessor_ProcessServer) error {
	var passed http.Header
	var body []byte
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		out := &extproc.ProcessingResponse{}
		switch r := in.GetRequest().(type) {
		case *extproc.ProcessingRequest_RequestHeaders:
			passed = passedOn(r.RequestHeaders.GetHeaders())
			out.Response = &extproc.ProcessingResponse_RequestHeaders{RequestHeaders: &extproc.HeadersResponse{}}
		case *extproc.ProcessingRequest_RequestBody:
			if body = append(body, r.RequestBody.GetBody()...); len(body) > maxBody {
				return fmt.Errorf("a body of more than %d bytes", maxBody)
			}
			common := &extproc.CommonResponse{}
			if r.RequestBody.GetEndOfStream() {
				common = p.decided(stream.Context(), passed, body)
			}
			out.Response = &extproc.ProcessingResponse_RequestBody{RequestBody: &extproc.BodyResponse{Response: common}}
		case *extproc.ProcessingRequest_ResponseHeaders:
			out.Response = &extproc.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extproc.HeadersResponse{}}
		case *extproc.ProcessingRequest_ResponseBody:
			out.Response = &extproc.ProcessingResponse_ResponseBody{ResponseBody: &extproc.BodyResponse{}}
		case *extproc.ProcessingRequest_RequestTrailers:
			out.Response = &extproc.ProcessingResponse_RequestTrailers{RequestTrailers: &extproc.TrailersResponse{}}
		case *extproc.ProcessingRequest_ResponseTrailers:
			out.Response = &extproc.ProcessingResponse_ResponseTrailers{ResponseTrailers: &extproc.TrailersResponse{}}
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

// passedOn are the headers that the decision may depend on.
func passedOn(h *core.HeaderMap) http.Header {
	out := http.Header{}
	for _, v := range h.GetHeaders() {
		switch name := strings.ToLower(v.GetKey()); name {
		case "x-qwenvld-route", "x-session-id", "x-request-id", "traceparent":
			value := string(v.GetRawValue())
			if value == "" {
				value = v.GetValue()
			}
			out.Set(name, value)
		}
	}
	return out
}

// decided is what becomes of a request: its model is the weights that answer. Where nobody decides it stays as it is.
func (p *processor) decided(ctx context.Context, passed http.Header, body []byte) *extproc.CommonResponse {
	d, changed, model, err := p.rewritten(ctx, passed, body)
	if err != nil {
		p.logger.Warn("no decision; the request goes on as it came", "error", err)
		return &extproc.CommonResponse{}
	}
	set := []*core.HeaderValueOption{header(headerModel, model), header(headerVariant, d.Variant), header("content-length", strconv.Itoa(len(changed)))}
	if d.ThinkingBudget > 0 {
		set = append(set, header(headerBudget, strconv.Itoa(d.ThinkingBudget)))
	}
	return &extproc.CommonResponse{
		Status:          extproc.CommonResponse_CONTINUE_AND_REPLACE,
		HeaderMutation:  &extproc.HeaderMutation{SetHeaders: set},
		BodyMutation:    &extproc.BodyMutation{Mutation: &extproc.BodyMutation_Body{Body: changed}},
		ClearRouteCache: true,
	}
}

// rewritten is a request's body with the model that answers.
func (p *processor) rewritten(ctx context.Context, passed http.Header, body []byte) (d *decision, changed []byte, model string, err error) {
	if d, err = p.ask(ctx, passed, body); err != nil {
		return nil, nil, "", err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, nil, "", err
	}
	if model = p.names[d.Variant]; model == "" {
		if err := json.Unmarshal(members["model"], &model); err != nil {
			return nil, nil, "", fmt.Errorf("the request's model: %w", err)
		}
		model = strings.TrimSuffix(model, "-"+d.Variant) + "-" + d.Variant
	}
	if members["model"], err = json.Marshal(model); err != nil {
		return nil, nil, "", err
	}
	changed, err = json.Marshal(members)
	return d, changed, model, err
}

func header(name, value string) *core.HeaderValueOption {
	return &core.HeaderValueOption{
		Header:       &core.HeaderValue{Key: name, RawValue: []byte(value)},
		AppendAction: core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

// decision is what the daemon says of a request.
type decision struct {
	Variant        string `json:"variant"`
	ThinkingBudget int    `json:"thinking_budget"`
}

func (p *processor) ask(ctx context.Context, passed http.Header, body []byte) (*decision, error) {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.router+"/v1/route", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = passed.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	if p.key != "" {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(p.key))
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the daemon answers %d: %.200s", resp.StatusCode, data)
	}
	var reply struct {
		Routing decision `json:"routing"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return nil, err
	}
	if reply.Routing.Variant == "" {
		return nil, errors.New("a decision for nobody")
	}
	return &reply.Routing, nil
}
