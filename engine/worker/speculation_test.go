package worker

import (
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

// A prediction, right or wrong, changes nothing of an answer, greedy or drawn.
func TestPredictionsDoNotChangeAnswers(t *testing.T) {
	for _, variant := range []string{"dense-tied", "moe"} {
		c := config(variant)
		c.CacheType, c.PrefixCache, c.Speculation = "f32", -1, -1
		without := start(t, c)
		c.Speculation = 0
		with := start(t, c)
		_, reqs := requests(t, variant, 40)
		seed := uint64(11)
		var all engine.Usage
		for _, sampling := range []engine.Sampling{{}, {Temperature: 1, TopP: 0.9, PresencePenalty: 0.5, Seed: &seed}} {
			for _, req := range reqs {
				req.Sampling = sampling
				want, _, err := without.generate(req)
				if err != nil {
					t.Fatal(err)
				}
				for _, prediction := range []string{want, want[:len(want)/2] + "something else" + want[len(want)/2:], ""} {
					asked := *req
					asked.Prediction = prediction
					got, result, err := with.generate(&asked)
					if err != nil || got != want {
						t.Fatalf("%s/%s: with the prediction %q, %q, %v; without %q", variant, req.ID, prediction, got, err, want)
					}
					if prediction == "" && result.Usage.AcceptedPrediction+result.Usage.RejectedPrediction > 0 {
						t.Errorf("%s/%s: %+v without a prediction", variant, req.ID, result.Usage)
					}
					all.AcceptedPrediction += result.Usage.AcceptedPrediction
					all.RejectedPrediction += result.Usage.RejectedPrediction
				}
			}
		}
		if all.AcceptedPrediction == 0 || all.RejectedPrediction == 0 {
			t.Errorf("%s: %d tokens of predictions were accepted, %d rejected", variant, all.AcceptedPrediction, all.RejectedPrediction)
		}
	}
}
