package server

import (
	"math"

	"github.com/scout-speech/scout"
)

// checkSamples refuses what no backend may get: more than maxFrames samples (audio_too_long), or a sample that is not
// finite (audio_invalid_samples), which a graph would answer with invented words.
func checkSamples(samples []float32, maxFrames int) error {
	if len(samples) > maxFrames {
		return scout.Errorf(scout.CodeAudioTooLong, "%.1f s in one request: at most %.1f s",
			float64(len(samples))/scout.EngineSampleRateHz, float64(maxFrames)/scout.EngineSampleRateHz)
	}
	const exponent = 0x7f800000 // all ones only in infinities and NaN (IEEE 754)
	for i, sample := range samples {
		if math.Float32bits(sample)&exponent == exponent {
			return scout.Errorf(scout.CodeAudioInvalidSamples, "sample %d is %v", i, sample)
		}
	}
	return nil
}
