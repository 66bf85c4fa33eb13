package worker

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine"
)

func TestSamplingDefaultsComeFromTheModelFile(t *testing.T) {
	cases := map[string]struct {
		file map[string]string
		want *engine.Sampling
	}{
		"none":    {map[string]string{"general.name": "x"}, nil},
		"greedy":  {map[string]string{"general.sampling.temp": "0.000000"}, &engine.Sampling{}},
		"several": {map[string]string{"general.sampling.temp": "0.7", "general.sampling.top_k": "20", "general.sampling.top_p": "0.8"}, &engine.Sampling{Temperature: 0.7, TopK: 20, TopP: 0.8}},
		"broken":  {map[string]string{"general.sampling.temp": "hot", "general.sampling.min_p": "-1"}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := samplingDefaults(func(key string) (string, bool) { v, ok := tc.file[key]; return v, ok })
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
