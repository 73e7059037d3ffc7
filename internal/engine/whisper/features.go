package whisper

import (
	"fmt"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/scout-speech/scout/internal/engine/native"
	prepared "github.com/scout-speech/scout/internal/model/prepare/whisper"
)

// Samples to and from features.
const (
	hop           = prepared.Hop
	reflected     = 200     // samples in front of the first, so that its window is centred on it
	frameSamples  = 2 * hop // the encoder makes one frame of two windows
	chunkWindows  = 200     // windows of one run: a few MB instead of 20 for a whole piece
	dynamicRange  = 8       // decades below the loudest that are kept
	floorOfGraphs = -10     // the least that the graph gives
)

// framesFor returns how many frames the encoder makes of samples and a tail of silence: at least one, at most those of
// 30 s.
func (m *model) framesFor(samples, tail int) int {
	return min(max((samples+tail+frameSamples-1)/frameSamples, 1), m.Frames)
}

// features computes the features of samples, followed by silence, for frames frames: shape [2*frames, mels]. They are
// scaled as the model was trained: decades above the loudest less 8, between about -1 and 1. If blank is set, those behind
// the samples are 0, which is louder than silence: docs/adr/0072-whisper-padding.md.
func (l *slot) features(samples []float32, frames int, blank bool) ([]float32, error) {
	windows, mels := 2*frames, l.model.Mels
	features := native.Grown(&l.mel, windows*mels)
	for at := 0; at < windows; at += chunkWindows {
		n := min(chunkWindows, windows-at)
		if err := l.chunk(samples, at, features[at*mels:(at+n)*mels]); err != nil {
			return nil, err
		}
	}
	loudest := float32(floorOfGraphs)
	for _, v := range features {
		loudest = max(loudest, v)
	}
	for i, v := range features {
		features[i] = (max(v, loudest-dynamicRange) + 4) / 4
	}
	if blank {
		clear(features[min(windowsOf(len(samples))*mels, len(features)):])
	}
	return features, nil
}

// windowsOf returns how many windows belong to samples: those that are centred on one, and the next.
func windowsOf(samples int) int { return (samples+hop-1)/hop + 1 }

// chunk computes the windows from at on that fit into out.
func (l *slot) chunk(samples []float32, at int, out []float32) (err error) {
	n := len(out) / l.model.Mels
	input := native.Grown(&l.waves, (n+2)*hop)
	clear(input)
	from := at*hop - reflected // the sample that comes first
	for i := 0; from+i < 0; i++ {
		if mirror := -(from + i); mirror < len(samples) {
			input[i] = samples[mirror]
		}
	}
	if start := max(from, 0); start < len(samples) {
		copy(input[start-from:], samples[start:])
	}
	var owned native.Tensors
	defer func() { err = join(err, owned.Free()) }()
	in, err := native.Own(&owned, input, 1, int64(len(input)))
	if err != nil {
		return err
	}
	mel, err := native.Own(&owned, out, 1, int64(n), int64(l.model.Mels))
	if err != nil {
		return err
	}
	if err := l.model.mel.RunWithOptions([]ort.Value{in}, []ort.Value{mel}, l.options); err != nil {
		return fmt.Errorf("compute features: %w", err)
	}
	return nil
}
