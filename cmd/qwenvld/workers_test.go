package main

import (
	"slices"
	"testing"
)

func TestWorkersSpinBrieflyUnlessTheOperatorSaysOtherwise(t *testing.T) {
	env := workerEnvironment([]string{"HOME=/x"})
	for _, want := range []string{"OMP_WAIT_POLICY=passive", "GOMP_SPINCOUNT=2000", "HOME=/x"} {
		if !slices.Contains(env, want) {
			t.Errorf("%q is not in %q", want, env)
		}
	}
	env = workerEnvironment([]string{"OMP_WAIT_POLICY=active"})
	if slices.Contains(env, "GOMP_SPINCOUNT=2000") || slices.Contains(env, "OMP_WAIT_POLICY=passive") {
		t.Errorf("the operator's policy is overruled: %q", env)
	}
	// The last of two values counts.
	env = workerEnvironment([]string{"GOMP_SPINCOUNT=5"})
	if slices.Index(env, "GOMP_SPINCOUNT=5") < slices.Index(env, "GOMP_SPINCOUNT=2000") {
		t.Errorf("the operator's spin comes before ours: %q", env)
	}
}
