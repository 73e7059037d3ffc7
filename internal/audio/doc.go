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

// Limits of what Scout reads; recordings have limits of their own (scout.MinSampleRateHz and scout.MaxSampleRateHz). They bound the memory of every reader: a frame has at
// most maxChannels samples of 8 bytes.
const (
	// MinSampleRateHz keeps the sounds up to 1 kHz, in which words can hardly be told apart. Old voice recorders wrote 4 kHz and more.
	MinSampleRateHz = 2000
	// MaxSampleRateHz is that of the highest rate of DSD (DSD512) once it is decoded, an eighth of 24.576 MHz. The highest of PCM in
	// use is 768 kHz.
	MaxSampleRateHz = 3072000
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
	case sampleRateHz < MinSampleRateHz || sampleRateHz > MaxSampleRateHz:
		return scout.Errorf(scout.CodeAudioUnsupported, "sample rate of %d Hz is outside %d to %d Hz",
			sampleRateHz, MinSampleRateHz, MaxSampleRateHz)
	case channels > maxChannels:
		return scout.Errorf(scout.CodeAudioUnsupported, "%d channels are more than %d", channels, maxChannels).
			WithHint("mix it to fewer channels first, for example: ffmpeg -i IN -ac 1 OUT.wav")
	}
	return nil
}
