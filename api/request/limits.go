package request

import "github.com/qwenvld/qwenvld/api/jsonbody"

// Limits bound a request. Zero fields take the defaults of DefaultLimits.
type Limits struct {
	BodyBytes int64 // bytes of a request body
	Messages  int   // messages in a request
	Images    int   // images in a request
	Videos    int   // videos in a request
	Tools     int   // tools in a request
	Stops     int   // stop strings in a request
	StopBytes int   // bytes of one stop string
	LogitBias int   // entries of logit_bias
	Choices   int   // answers of a request
	Depth     int   // nesting of the JSON body
	Values    int   // JSON values in the body

	SchemaBytes int // bytes of a JSON schema for the answer
}

// DefaultLimits are generous enough for OpenAI's clients and bound the memory of one request.
func DefaultLimits() Limits {
	return Limits{
		BodyBytes: 64 << 20, Messages: 2048, Images: 32, Videos: 8, Tools: 1024, Stops: 16, StopBytes: 512, LogitBias: 1024,
		Choices: 8, Depth: 64, Values: 200_000, SchemaBytes: 256 << 10,
	}
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits()
	if l.BodyBytes == 0 {
		l.BodyBytes = d.BodyBytes
	}
	for _, field := range []struct {
		value *int
		or    int
	}{
		{&l.Messages, d.Messages},
		{&l.Images, d.Images},
		{&l.Videos, d.Videos},
		{&l.Tools, d.Tools},
		{&l.Stops, d.Stops},
		{&l.StopBytes, d.StopBytes},
		{&l.LogitBias, d.LogitBias},
		{&l.Choices, d.Choices},
		{&l.Depth, d.Depth},
		{&l.Values, d.Values},
		{&l.SchemaBytes, d.SchemaBytes},
	} {
		if *field.value == 0 {
			*field.value = field.or
		}
	}
	return l
}

// Bounds are those of a body's JSON.
func (l *Limits) Bounds() jsonbody.Bounds { return jsonbody.Bounds{Depth: l.Depth, Values: l.Values} }
