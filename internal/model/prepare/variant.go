package prepare

import (
	"runtime"

	"golang.org/x/sys/cpu"

	"github.com/scout-speech/scout/internal/model/onnx"
)

// Variant is the form of the encoder's integer weights, chosen for exact products on the processor.
type Variant string

const (
	// VariantSigned keeps weights as int8. With VNNI (or Arm's dot product) the product of uint8 and int8 is one
	// instruction that sums in 32 bits: the encoder takes 38.5 instead of 49 ms (11 s of audio).
	VariantSigned Variant = "s8"
	// VariantUnsigned keeps weights as uint8. Without VNNI a product of uint8 and int8 goes through
	// VPMADDUBSW, whose 16-bit sums saturate; the product of uint8 and uint8 does not, and gives the
	// published graph's numbers.
	VariantUnsigned Variant = "u8"
)

// Processor has the relevant properties of the processor that runs the graphs.
type Processor struct {
	AMD64 bool // else Arm
	AVX2  bool
	VNNI  bool // either AVX-512 VNNI or AVX-VNNI
}

// DetectProcessor returns the processor of this machine.
func DetectProcessor() Processor {
	return Processor{
		AMD64: runtime.GOARCH == "amd64", AVX2: cpu.X86.HasAVX2, VNNI: cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI,
	}
}

// Variant returns the variant that this processor multiplies exactly.
func (p Processor) Variant() Variant {
	if p.AMD64 && !p.VNNI {
		return VariantUnsigned
	}
	return VariantSigned
}

// Gains reports whether the prepared graphs are faster than the published ones. Without AVX2 the runtime has no kernel
// for the decoder's matrices, and a token takes eight times as long (docs/adr/0010-prepared-graphs.md).
func (p Processor) Gains() bool { return !p.AMD64 || p.AVX2 }

// valid reports whether v is one of the variants.
func (v Variant) valid() bool { return v == VariantSigned || v == VariantUnsigned }

// integers returns the weights and zero points of m in the variant's form.
func (v Variant) integers(m matrix) (weights, zeros []uint8, t onnx.DataType) {
	if v == VariantUnsigned {
		return m.weights, m.zeros, onnx.Uint8
	}
	weights, zeros = m.signed()
	return weights, zeros, onnx.Int8
}
