package extproc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

const (
	// HeaderModel is the header by which gateways for inference choose a pool.
	HeaderModel = "x-gateway-model-name"
	// HeaderVariant is instruct or thinking.
	HeaderVariant = "x-qwenvld-variant"
	// HeaderBudget is how many tokens may be thought, where any may.
	HeaderBudget = "x-qwenvld-thinking-budget"
)

// Process follows one request: its header, then its body, of which Envoy is to buffer all.
func (p *Processor) Process(stream service.ExternalProcessor_ProcessServer) error {
	var passed http.Header
	var body []byte
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from Envoy: %w", err)
		}
		out := &service.ProcessingResponse{}
		switch r := in.GetRequest().(type) {
		case *service.ProcessingRequest_RequestHeaders:
			passed = passedOn(r.RequestHeaders.GetHeaders())
			out.Response = &service.ProcessingResponse_RequestHeaders{RequestHeaders: &service.HeadersResponse{}}
		case *service.ProcessingRequest_RequestBody:
			if body = append(body, r.RequestBody.GetBody()...); len(body) > p.o.BodyBytes {
				return fmt.Errorf("a body of more than %d bytes", p.o.BodyBytes)
			}
			common := &service.CommonResponse{}
			if r.RequestBody.GetEndOfStream() {
				common = p.decided(stream.Context(), passed, body)
			}
			out.Response = &service.ProcessingResponse_RequestBody{RequestBody: &service.BodyResponse{Response: common}}
		case *service.ProcessingRequest_ResponseHeaders:
			out.Response = &service.ProcessingResponse_ResponseHeaders{ResponseHeaders: &service.HeadersResponse{}}
		case *service.ProcessingRequest_ResponseBody:
			out.Response = &service.ProcessingResponse_ResponseBody{ResponseBody: &service.BodyResponse{}}
		case *service.ProcessingRequest_RequestTrailers:
			out.Response = &service.ProcessingResponse_RequestTrailers{RequestTrailers: &service.TrailersResponse{}}
		case *service.ProcessingRequest_ResponseTrailers:
			out.Response = &service.ProcessingResponse_ResponseTrailers{ResponseTrailers: &service.TrailersResponse{}}
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
func (p *Processor) decided(ctx context.Context, passed http.Header, body []byte) *service.CommonResponse {
	d, changed, model, err := p.rewritten(ctx, passed, body)
	if err != nil {
		p.o.Logger.Warn("no decision; the request goes on as it came", "error", err)
		return &service.CommonResponse{}
	}
	set := []*core.HeaderValueOption{
		header(HeaderModel, model), header(HeaderVariant, d.Variant), header("content-length", strconv.Itoa(len(changed))),
	}
	if d.ThinkingBudget > 0 {
		set = append(set, header(HeaderBudget, strconv.Itoa(d.ThinkingBudget)))
	}
	return &service.CommonResponse{
		Status:          service.CommonResponse_CONTINUE_AND_REPLACE,
		HeaderMutation:  &service.HeaderMutation{SetHeaders: set},
		BodyMutation:    &service.BodyMutation{Mutation: &service.BodyMutation_Body{Body: changed}},
		ClearRouteCache: true,
	}
}

// rewritten is a request's body with the model that answers.
func (p *Processor) rewritten(ctx context.Context, passed http.Header, body []byte) (d *decision, changed []byte, model string, err error) {
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

func (p *Processor) ask(ctx context.Context, passed http.Header, body []byte) (*decision, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.Router+"/v1/route?forecast=false", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = passed.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	if p.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+p.o.Key)
	}
	resp, err := p.o.Transport.RoundTrip(req)
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
