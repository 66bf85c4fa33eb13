package engine

import "encoding/json"

// Constraint is what an answer must look like; it does not bind the think block. One of the fields says how, the first
// that is set.
type Constraint struct {
	// Text is exactly this. It is never made of special tokens, nor is what the other constraints allow.
	Text string `json:"text,omitempty"`
	// Token is exactly this text, as one special token where the model has it as such ("<tool_call>").
	Token string `json:"token,omitempty"`
	// Object is any JSON object.
	Object bool `json:"object,omitempty"`
	// Schema is a JSON Schema; Strict demands what OpenAI's strict mode does. ObjectOnly leaves of its values only
	// objects.
	Schema     json.RawMessage `json:"schema,omitempty"`
	Strict     bool            `json:"strict,omitempty"`
	ObjectOnly bool            `json:"object_only,omitempty"`
	// Pattern is a regular expression (RE2) that matches the whole answer.
	Pattern string `json:"pattern,omitempty"`
	// Choices are texts of which the answer is one.
	Choices []string `json:"choices,omitempty"`
	// Without is any text in which this does not occur.
	Without string `json:"without,omitempty"`
	// Trigger is any text until it occurs, as a special token or spelled out; from there on it is Then, which begins
	// with it. It stands for a whole answer only and not inside other constraints.
	Trigger string      `json:"trigger,omitempty"`
	Then    *Constraint `json:"then,omitempty"`
	// Sequence is one constraint after the other, Either one of several.
	Sequence []Constraint `json:"sequence,omitempty"`
	Either   []Constraint `json:"either,omitempty"`
	// Repeat is a constraint several times.
	Repeat *Repeat `json:"repeat,omitempty"`
}

// Repeat is a constraint at least Min times, with a separator between; Max 0 sets no limit.
type Repeat struct {
	Constraint Constraint `json:"constraint"`
	Separator  string     `json:"separator,omitempty"`
	Min        int        `json:"min"`
	Max        int        `json:"max,omitempty"`
}
