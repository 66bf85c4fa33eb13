package keepalive

import (
	"testing"
	"time"
)

func TestTimesAreReadAsOllamaReadsThem(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5m": 5 * time.Minute, "0": 0, "-1": Forever, "-1m": Forever, "30": 30 * time.Second, "1.5": 1500 * time.Millisecond,
		"1h30m": 90 * time.Minute,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "soon", "5 m", "NaN", "1e300", "inf"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
