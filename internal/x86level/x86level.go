// Package x86level chooses among builds for several levels of x86-64 the best one that a processor can run.
//
// It must not look for files, nor ask what processor this is: Here does that, and decides nothing.
package x86level

import "golang.org/x/sys/cpu"

// Level is a set of instructions, as psABI counts them. Of others than x86-64 all are None.
type Level int

// Levels that there are builds for.
const (
	None Level = iota
	V2         // SSE4.2
	V3         // AVX2, FMA
	// V4 is AVX-512 with the products of bytes and of bfloat16 that models use, so more than psABI's v4.
	V4
)

// String is the level as files are named by it.
func (l Level) String() string { return [...]string{"none", "v2", "v3", "v4"}[l] }

// Features of a processor, or those that a build uses.
type Features struct {
	SSE42, AVX2, FMA, BMI2, AVX512, VNNI, BF16 bool
}

// Of is the highest level whose instructions are all there.
func Of(f Features) Level {
	switch {
	case !f.SSE42:
		return None
	case !f.AVX2 || !f.FMA || !f.BMI2:
		return V2
	case !f.AVX512 || !f.VNNI || !f.BF16:
		return V3
	default:
		return V4
	}
}

// Pick returns the build to start: the highest of those that the processor runs, or None where own is as high.
func Pick(own, processor Level, builds []Level) Level {
	best := None
	for _, l := range builds {
		if l > own && l <= processor && l > best {
			best = l
		}
	}
	return best
}

// Here are the features of this processor, as far as the system lets programs use them.
func Here() Features {
	x := &cpu.X86
	return Features{
		SSE42: x.HasSSE42 && x.HasSSSE3 && x.HasPOPCNT, AVX2: x.HasAVX2, FMA: x.HasFMA, BMI2: x.HasBMI1 && x.HasBMI2,
		AVX512: x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512DQ && x.HasAVX512VL,
		VNNI:   x.HasAVX512VNNI, BF16: x.HasAVX512BF16,
	}
}
