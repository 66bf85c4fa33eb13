package dialect

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
)

// Cause is why a server refused a request.
type Cause int

// Causes of refusals.
const (
	// CauseRequest is a fault of the request, CauseLength that it does not fit into the context.
	CauseRequest Cause = iota
	CauseLength
	// CauseBusy is a server that takes no more at the moment, CauseLoading one whose weights are not loaded.
	CauseBusy
	CauseLoading
	// CauseLate is a server that cannot answer the request by its deadline, and others perhaps well.
	CauseLate
	// CauseAccess is a key or a model that the server does not know: a fault of this daemon's configuration.
	CauseAccess
	// CauseServer is a fault of the server.
	CauseServer
)

// RefusalError is a reply that is no answer.
type RefusalError struct {
	Cause  Cause
	Status int
	// Message is the server's own, as are Code and Param, which only a qwenvld's mean anything by here.
	Message, Code, Param string
}

func (e *RefusalError) Error() string { return http.StatusText(e.Status) + ": " + e.Message }

// longestMessage bounds what is kept of a server's words.
const longestMessage = 500

// Refused reads a reply whose status is no success.
func Refused(status int, data []byte) *RefusalError {
	r := &RefusalError{Cause: CauseServer, Status: status, Message: message(data)}
	e := readError(data)
	r.Code, _ = e.Code.(string)
	r.Param, _ = e.Param.(string)
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		switch {
		case e.Type == "unavailable_error", r.Code == "model_unavailable": // llama-server's and qwenvld's
			r.Cause = CauseLoading
		case r.Code == "deadline_exceeded":
			r.Cause = CauseLate
		default:
			r.Cause = CauseBusy
		}
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound,
		status == http.StatusMethodNotAllowed:
		r.Cause = CauseAccess
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusRequestTimeout:
		r.Cause = CauseRequest
		if tooLong(r.Message, data) {
			r.Cause = CauseLength
		}
	}
	return r
}

// message finds the text of an error in the forms that servers give it.
func message(data []byte) string {
	var e struct {
		Error   *chunkError     `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	text := ""
	if json.Unmarshal(data, &e) == nil {
		switch {
		case e.Error != nil:
			text = e.Error.Message
		case e.Message != "":
			text = e.Message
		case e.Detail != nil:
			text = string(e.Detail)
		}
	}
	if text == "" {
		text = string(data)
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) > longestMessage {
		text = strings.ToValidUTF8(text[:longestMessage], "") + "..."
	}
	return text
}

// refusal is what an error of OpenAI's form says beside its message. Code and Param are texts from some servers, and
// numbers from others.
type refusal struct {
	Type        string
	Code, Param any
}

func readError(data []byte) refusal {
	var e struct {
		Error refusal `json:"error"`
	}
	if json.Unmarshal(data, &e) != nil {
		return refusal{}
	}
	return e.Error
}

// tooLong recognises the words in which servers say that a prompt does not fit.
func tooLong(message string, data []byte) bool {
	text := strings.ToLower(message)
	return slices.ContainsFunc([]string{
		"maximum context length", "maximum model length", "longer than the model's context", "exceeds the available context size",
		"context length", "is too long", "this model's context holds",
	}, func(words string) bool { return strings.Contains(text, words) }) ||
		strings.Contains(string(data), "context_length_exceeded") || strings.Contains(string(data), "exceed_context_size")
}

func sortByLogprob(all []engine.TopToken) {
	slices.SortFunc(all, func(a, b engine.TopToken) int {
		switch {
		case a.Logprob > b.Logprob:
			return -1
		case a.Logprob < b.Logprob:
			return 1
		}
		return strings.Compare(string(a.Bytes), string(b.Bytes))
	})
}
