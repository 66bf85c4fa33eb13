package sampler

import "math"

// scale turns logits into weights: probabilities up to a factor that makes the highest one 1.
type scale struct {
	highest, temperature float64
	// inverse of the temperature, which multiplies where a division would take long.
	inverse float64
	exp     *exponential
}

func (s *Sampler) scale(highest float64) scale {
	t := s.params.Temperature
	return scale{highest: highest, temperature: t, inverse: min(1/t, math.MaxFloat64), exp: &s.exp}
}

// of is the weight of a logit.
func (s *scale) of(logit float64) float64 { return math.Exp((logit - s.highest) / s.temperature) }

// exponent is what e is raised to for the weight of a logit, within rounding.
func (s *scale) exponent(logit float32) float64 { return (float64(logit) - s.highest) * s.inverse }

// leastExponent is the bound below which weights count for nothing.
const leastExponent = -700

// parts of a power of two in an exponential.
const parts = 64

// exponential computes e^x for leastExponent < x <= 0 with an error of 4e-16, some times faster than math.Exp: a power
// of two in 64ths from a table, and a polynomial for the rest.
type exponential [parts]uint64

func newExponential() (e exponential) {
	for i := range e {
		e[i] = math.Float64bits(math.Exp2(float64(i)/parts)) - uint64(i)<<(mantissa-partBits)
	}
	return e
}

const (
	mantissa, partBits = 52, 6
	// round brings whole numbers to the end of the mantissa.
	round = 3 << (mantissa - 1)
	// part is ln(2)/64 in two numbers, of which the first has zeros at its end, so that products with it are exact.
	part     = 0x1.62e42fefap-7
	partRest = 0x1.cf79abc9e3b39803f2f6af40f343267p-46
)

func (e *exponential) of(x float64) float64 {
	whole := x*(parts/math.Ln2) + round
	n := math.Float64bits(whole)
	whole -= round
	r := x - whole*part - whole*partRest
	r2 := r * r
	p := r + r2*(1./2+r*(1./6)) + r2*r2*(1./24+r*(1./120))
	power := math.Float64frombits(e[n%parts] + n<<(mantissa-partBits))
	return power + power*p
}
