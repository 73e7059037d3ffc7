package audio

import "github.com/viterin/vek/vek32"

// dot returns the sum of a[i]*b[i] over equal lengths greater than 0. The library uses AVX2 if the processor has it (17
// ns for 352 products against 175 ns for an unrolled loop, docs/adr/0003-resampler.md), else a plain loop. The order of
// additions differs, so results may differ in the last bit.
func dot(a, b []float32) float32 { return vek32.Dot(a, b) }
