package config

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// protocol is the only form in which spans are sent.
const protocol = "http/protobuf"

// fromStandard are the sources among the variables that OpenTelemetry has all programs read. They are often set for
// whatever runs on a machine, so that they take the place of defaults, and of nothing that is said to this program.
func fromStandard(variables map[string]string) ([]*source, error) {
	if strings.EqualFold(variables["OTEL_SDK_DISABLED"], "true") || variables["OTEL_TRACES_EXPORTER"] == "none" {
		return nil, nil
	}
	var out []*source
	add := func(name, key, text string) {
		if text != "" {
			out = append(out, &source{name: "environment variable " + name, key: key, text: text})
		}
	}
	// Each may be set for traces alone.
	find := func(what string) (name, text string) {
		name = "OTEL_EXPORTER_OTLP_TRACES_" + what
		if text = variables[name]; text == "" {
			name = "OTEL_EXPORTER_OTLP_" + what
			text = variables[name]
		}
		return name, text
	}
	var faults []error
	name, endpoint := find("ENDPOINT")
	if endpoint != "" && name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		endpoint = strings.TrimSuffix(endpoint, "/") + "/v1/traces"
	}
	add(name, "tracing.endpoint", endpoint)
	if name, text := find("PROTOCOL"); endpoint != "" && cmp.Or(text, protocol) != protocol {
		faults = append(faults, fmt.Errorf("environment variable %s: spans are sent by %s, not %s; OTEL_TRACES_EXPORTER=none sends none",
			name, protocol, text))
	}
	if name, text := find("TIMEOUT"); text != "" {
		add(name, "tracing.timeout", text+"ms")
	}
	for what, key := range map[string]string{"COMPRESSION": "tracing.compression", "CERTIFICATE": "tracing.certificate"} {
		name, text := find(what)
		add(name, key, text)
	}
	add("OTEL_SERVICE_NAME", "tracing.service", variables["OTEL_SERVICE_NAME"])
	add("OTEL_RESOURCE_ATTRIBUTES", "tracing.attributes", variables["OTEL_RESOURCE_ATTRIBUTES"])
	share, err := standardShare(variables)
	add("OTEL_TRACES_SAMPLER", "tracing.sample", share)
	return out, errors.Join(append(faults, err)...)
}

// standardShare is the share of traced requests that a sampler stands for, "" where none is named.
func standardShare(variables map[string]string) (string, error) {
	const name = "OTEL_TRACES_SAMPLER"
	switch sampler := strings.TrimPrefix(variables[name], "parentbased_"); sampler {
	case "":
		return "", nil
	case "always_on":
		return "1", nil
	case "always_off":
		return "0", nil
	case "traceidratio":
		share := cmp.Or(variables[name+"_ARG"], "1")
		if _, err := strconv.ParseFloat(share, 64); err != nil {
			return "", fmt.Errorf("environment variable %s_ARG: must be a number, not %q", name, share)
		}
		return share, nil
	default:
		return "", fmt.Errorf(
			"environment variable %s: must be always_on, always_off or traceidratio, perhaps with parentbased_ before it, not %q",
			name, variables[name])
	}
}
