package selftest

import (
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTheProcessorsComputeAsTransformersDo(t *testing.T) {
	r, err := Run(t.Context(), Options{Threads: 2, Folder: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, c := range r.Checks {
		t.Logf("%-8s %-5s %-60s %.2g of %.2g %v %s", c.Weights, c.Format, c.Name, c.Deviation, c.Limit, c.Passed, c.Note)
		if !c.Passed {
			t.Errorf("%+v", c)
		}
		if c.Fault {
			made++
		}
	}
	if !r.Passed || made != 18 || len(r.Checks) < 50 {
		t.Errorf("%d checks, %d of them of faults made on purpose", len(r.Checks), made)
	}
	t.Logf("%.1f s", r.Seconds)
}

func TestTheEmbeddedReferencesAreSmall(t *testing.T) {
	sum := 0
	entries, err := files.ReadDir("reference")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		sum += int(info.Size())
	}
	if sum > 2<<20 {
		t.Errorf("%d bytes", sum)
	}
}

func TestWeightsAreTheSameNumbersInEveryFormat(t *testing.T) {
	for _, scale := range []float32{1, 0.25, 1.0 / 1024, 1.0 / 65536} {
		for n := -8; n < 8; n++ {
			want := float32(n) * scale
			if got := single(half(want)); got != want {
				t.Errorf("%g becomes %g in half precision", want, got)
			}
		}
	}
	n := make([]int8, 256)
	for i := range n {
		n[i] = int8(i%16 - 8)
	}
	b := putQ4(nil, n, 0.25)
	if len(b) != kinds[Q4].bytes {
		t.Fatalf("%d bytes", len(b))
	}
	for i := range n {
		q := b[16+i/64*32+i%32]
		if i%64 >= 32 {
			q >>= 4
		}
		d, low := single(uint16(b[0])|uint16(b[1])<<8), single(uint16(b[2])|uint16(b[3])<<8)
		if got := d*float32(q&15) - low; got != float32(n[i])*0.25 {
			t.Fatalf("value %d is %g, not %g", i, got, float32(n[i])*0.25)
		}
	}
}

// What the limit of q4_K on CUDA comes from: the same weights and activations in both kernels' arithmetic.
func TestSumsOfUnroundedActivationsMakeQ4ThreeTimesAsFarOff(t *testing.T) {
	const block, low, rows = 32, -8, 4000
	random := rand.New(rand.NewPCG(1, 2))
	few, many := 0.0, 0.0
	for range rows {
		var largest, sum float64
		var x, weight [block]float64
		for i := range x {
			x[i] = random.NormFloat64()
			weight[i] = math.Max(low, math.Min(7, math.Round(2.6*random.NormFloat64())))
			largest, sum = math.Max(largest, math.Abs(x[i])), sum+x[i]
		}
		scale := largest / 127
		var exact, above, rounded float64
		for i := range x {
			q := scale * math.Round(x[i]/scale)
			exact, above, rounded = exact+weight[i]*x[i], above+(weight[i]-low)*q, rounded+q
		}
		off, unrounded := above+low*rounded-exact, above+low*sum-exact
		few += off * off
		many += unrounded * unrounded
	}
	if ratio := math.Sqrt(many / few); ratio < 2.8 || ratio > 3.8 {
		t.Errorf("%.2f times", ratio)
	}
	_, cuda := limit(Q4, "CUDA0")
	for _, device := range []string{"", "Vulkan0", "Metal"} {
		if _, other := limit(Q4, device); cuda < 3*other || cuda > 4*other {
			t.Errorf("%q may be %g off, CUDA %g", device, other, cuda)
		}
	}
}

func TestADeviceThatComputesNonsenseFails(t *testing.T) {
	want := []float32{1, 2, 4, 0}
	for name, got := range map[string][]float32{"fewer": {1, 2, 4}, "none": nil, "other": {2, 1, 0, 4}} {
		c := Check{Deviation: deviation(got, want, 4), Limit: 1e-2, Note: otherTop(got, want, 4, 1e-2)}
		if c.judge(); c.Passed || c.Note == "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if d := middle([]float32{1, 9, 9, 5, 5, 5}, []float32{1, 1, 9, 5, 5, 5}, 2); d != 0 {
		t.Errorf("one of three rows makes the middle one %g off", d)
	}
	if middle(nil, want, 4) < 1 || middle([]float32{4, 2, 1, 0}, want, 4) == 0 {
		t.Error("rows that are off have a middle one that is not")
	}
	nan := float32(0)
	nan /= nan
	if d := deviation([]float32{nan, 2, 4, 0}, want, 4); d < 1 {
		t.Errorf("no number is %g off", d)
	}
	c := Check{Fault: true, Deviation: 1e-3, Limit: 1e-2}
	if c.judge(); c.Passed {
		t.Error("a fault that nobody notices passes")
	}
	if _, err := Run(t.Context(), Options{Device: "none", Threads: 1, Folder: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("%v", err)
	}
}
