// Package audio holds the arithmetic of the sample path: conversion between sample encodings and float32, the mix to
// mono, and the resampler. Nothing here opens a file or a device, and nothing allocates after construction: callers own
// every buffer.
//
// Samples are float32 with full scale at ±1. A frame is one sample per channel; interleaved buffers
// hold whole frames.
package audio

import (
	"github.com/scout-speech/scout"
)

// Limits of what Scout reads and records. They bound the memory of every reader: a frame has at
// most maxChannels samples of 8 bytes.
const (
	// minSampleRateHz is the rate of a telephone line; below it speech is not intelligible.
	minSampleRateHz = 8000
	// maxSampleRateHz is the highest rate of common sound cards.
	maxSampleRateHz = 192000
	// maxChannels covers 64-channel interfaces (MADI); more channels are taken for a damaged header.
	maxChannels = 64
)

// CheckFormat returns nil for a rate and a channel count within the limits. Zero or less gives scout.CodeAudioCorrupt,
// since no recording has it; other values give scout.CodeAudioUnsupported.
func CheckFormat(sampleRateHz, channels int) error {
	switch {
	case sampleRateHz <= 0:
		return scout.Errorf(scout.CodeAudioCorrupt, "sample rate of %d Hz", sampleRateHz)
	case channels <= 0:
		return scout.Errorf(scout.CodeAudioCorrupt, "%d channels", channels)
	case sampleRateHz < minSampleRateHz || sampleRateHz > maxSampleRateHz:
		return scout.Errorf(scout.CodeAudioUnsupported, "sample rate of %d Hz is outside %d to %d Hz",
			sampleRateHz, minSampleRateHz, maxSampleRateHz)
	case channels > maxChannels:
		return scout.Errorf(scout.CodeAudioUnsupported, "%d channels are more than %d", channels, maxChannels).
			WithHint("mix it to fewer channels first, for example: ffmpeg -i IN -ac 1 OUT.wav")
	}
	return nil
}
