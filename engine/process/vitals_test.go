package process

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/wire"
)

// check is what a worker answers, elapsed after the check before, and what is to be thought of it.
type check struct {
	health  *wire.Health
	elapsed time.Duration
	doubt   string // part of it, "" for good health
	dead    bool
}

func busy(beats uint64) *wire.Health {
	return &wire.Health{Decode: wire.Pulse{Busy: true, Beats: beats, Steps: 1}}
}

func encoding(beats uint64) *wire.Health {
	return &wire.Health{Decode: wire.Pulse{Beats: 9, Steps: 1}, Encode: wire.Pulse{Busy: true, Beats: beats, Steps: 1}}
}

func TestWorkersAreJudgedByProgress(t *testing.T) {
	idle := &wire.Health{Decode: wire.Pulse{Beats: 7, Steps: 7}}
	first := &wire.Health{Decode: wire.Pulse{Busy: true, Beats: 1}}
	const s = time.Second
	for name, checks := range map[string][]check{
		"idle for ever":           {{idle, s, "", false}, {idle, time.Hour, "", false}},
		"slow but sure":           {{busy(1), s, "", false}, {busy(2), 4 * s, "", false}, {busy(3), 4 * s, "", false}, {busy(4), 4 * s, "", false}},
		"stalls and recovers":     {{busy(1), s, "", false}, {busy(1), 6 * s, "decoding has made no progress for 6s", false}, {busy(2), s, "", false}},
		"hangs":                   {{busy(1), s, "", false}, {busy(1), 29 * s, "decoding", false}, {busy(1), s, "decoding", true}},
		"hangs while encoding":    {{encoding(1), s, "", false}, {encoding(1), 30 * s, "encoding a picture", true}},
		"long steps are known":    {{busy(1), s, "", false}, {busy(1), 20 * s, "decoding", false}, {busy(2), s, "", false}, {busy(2), 39 * s, "", false}, {busy(2), 40 * s, "decoding", false}, {busy(2), s, "decoding", true}},
		"the first step is slow":  {{first, s, "", false}, {first, 19 * s, "", false}, {first, 100 * s, "decoding", false}, {first, s, "decoding", true}},
		"no answer once":          {{nil, 3 * s, "has not answered for 3s", false}, {idle, s, "", false}, {nil, 9 * s, "has not answered", false}},
		"no answer at all":        {{nil, 3 * s, "has not answered", false}, {nil, 3 * s, "has not answered", false}, {nil, 4 * s, "has not answered", true}},
		"busy again after a rest": {{busy(1), s, "", false}, {idle, 20 * s, "", false}, {busy(8), 20 * s, "", false}},
	} {
		t.Run(name, func(t *testing.T) {
			v := vitals{limits: limits{silence: 10 * s, stall: 5 * s, hang: 30 * s}}
			for i, c := range checks {
				got := v.judge(c.health, c.elapsed)
				if got.dead != c.dead || (got.doubt == "") != (c.doubt == "") || !strings.Contains(got.doubt, c.doubt) {
					t.Errorf("check %d: %+v, want %q %v", i, got, c.doubt, c.dead)
				}
			}
		})
	}
}

func TestWorkerThatServedIsReplacedAtOnce(t *testing.T) {
	o := Options{}.withDefaults()
	r := restarts{o: &o}
	crash := errors.New("crash")
	for range 20 { // a client sends what kills the worker again and again
		pause, hopeless := r.after(time.Second, crash)
		if pause > 2*time.Second || hopeless != nil {
			t.Fatalf("%v, %v", pause, hopeless)
		}
	}
	if pause, _ := r.after(time.Minute, crash); pause != o.MinBackoff {
		t.Errorf("after a minute of service: %v", pause)
	}
}

func TestFailedStartsAreTriedWithGrowingPausesAndGivenUp(t *testing.T) {
	o := Options{}.withDefaults()
	crash, load := errors.New("crash"), &loadError{"not a model"}
	r := restarts{o: &o}
	last := time.Duration(0)
	for range o.MaxStarts - 1 {
		pause, hopeless := r.after(0, crash)
		if pause <= last || hopeless != nil {
			t.Fatalf("%v after %v, %v", pause, last, hopeless)
		}
		last = pause
	}
	if _, hopeless := r.after(0, crash); !errors.Is(hopeless, crash) {
		t.Errorf("%v", hopeless)
	}
	r = restarts{o: &o}
	if _, hopeless := r.after(0, load); hopeless == nil {
		t.Error("weights that do not load were tried again")
	}
	// A file that is being replaced may be whole in a moment.
	r = restarts{o: &o, wasReady: true}
	if _, hopeless := r.after(0, load); hopeless != nil {
		t.Errorf("weights that were fine before: %v", hopeless)
	}
}
