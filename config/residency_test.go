package config

import (
	"testing"
	"time"
)

func TestIdleWeightsAreKeptUnlessTheyAreLoadedLazily(t *testing.T) {
	for _, c := range []struct {
		model Model
		want  time.Duration
	}{
		{Model{}, -1},
		{Model{Residency: ResidentOne}, -1},
		{Model{Residency: ResidentLazy}, 5 * time.Minute},
		{Model{Residency: ResidentLazy, KeepAlive: "-1"}, -1},
		{Model{KeepAlive: "1h"}, time.Hour},
	} {
		if got := c.model.IdleTime(); got != c.want {
			t.Errorf("%+v: %v", c.model, got)
		}
	}
}

func TestBytesMayHaveAUnit(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "12GiB": 12 << 30, "3 MiB": 3 << 20, "1TiB": 1 << 40, "2KiB": 2 << 10} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "12GB", "-1", "GiB", "9223372036854775807KiB", "1.5GiB"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}
