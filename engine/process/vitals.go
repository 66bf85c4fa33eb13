package process

import (
	"fmt"
	"time"

	"github.com/qwenvld/qwenvld/engine/wire"
)

// limits say for how long a worker may get nowhere.
type limits struct {
	// silence without an answer to any check ends a worker.
	silence time.Duration
	// stall without progress keeps new requests away from a worker that is computing, hang ends it.
	stall, hang time.Duration
}

// Some steps are long for good reasons: a product of large matrices on a slow and busy machine, or a GPU's kernels that
// are compiled before the first one. So a worker may take several times the longest pause that it came back from, and
// more before its first step.
const (
	stallFactor = 2
	hangFactor  = 4
	firstFactor = 4
)

// vitals judge a worker by its answers to checks: by what it gets done, not by that it answers. Time is counted by the
// checks, so that a daemon that was itself frozen for a while blames nobody.
type vitals struct {
	limits
	decode, encode activity
	silent         time.Duration // without an answer
	longest        time.Duration // pause that ended by itself
}

// activity is a thing that a worker computes, beside others.
type activity struct {
	beats uint64
	quiet time.Duration // without progress
}

// verdict on a worker. The zero value is good health.
type verdict struct {
	// doubt says why no new request should go there, dead that there is no hope.
	doubt string
	dead  bool
}

// judge takes the answer to a check, nil for none, elapsed after the check before.
func (v *vitals) judge(h *wire.Health, elapsed time.Duration) verdict {
	if h == nil {
		v.silent += elapsed
		return verdict{
			doubt: fmt.Sprintf("the process has not answered for %v", v.silent.Round(time.Second)), dead: v.silent >= v.silence,
		}
	}
	v.silent = 0
	return worse(v.follow(&v.decode, h.Decode, "decoding", elapsed), v.follow(&v.encode, h.Encode, "encoding a picture", elapsed))
}

func (v *vitals) follow(a *activity, p wire.Pulse, name string, elapsed time.Duration) verdict {
	if !p.Busy || p.Beats != a.beats {
		if p.Beats != a.beats {
			v.longest = max(v.longest, a.quiet)
		}
		a.beats, a.quiet = p.Beats, 0
		return verdict{}
	}
	a.quiet += elapsed
	stall, hang := max(v.stall, stallFactor*v.longest), max(v.hang, hangFactor*v.longest)
	if p.Steps == 0 {
		stall, hang = firstFactor*stall, firstFactor*hang
	}
	if a.quiet < stall {
		return verdict{}
	}
	return verdict{doubt: fmt.Sprintf("%s has made no progress for %v", name, a.quiet.Round(time.Second)), dead: a.quiet >= hang}
}

func worse(a, b verdict) verdict {
	if b.dead || a.doubt == "" {
		return b
	}
	return a
}
