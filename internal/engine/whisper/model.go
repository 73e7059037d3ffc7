package whisper

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wordtime"
	prepared "github.com/scout-speech/scout/internal/model/prepare/whisper"
)

// model is the sessions, which hold the weights, the embedding and the vocabulary. Any number of goroutines may use them
// at once.
type model struct {
	prepared.Model
	mel, encoder, decoder *ort.DynamicAdvancedSession
	embedding             *prepared.Embedding
	vocabulary            *vocabulary
	first, later          *ort.Tensor[float32] // [Vocabulary]: added to the logits of the first token and of all others
}

// openModel loads the prepared graphs.
func openModel(mel, encoder, decoder string, v *vocabulary) (*model, error) {
	dir := filepath.Dir(decoder)
	manifest, err := prepared.ReadManifest(dir)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	m := &model{Model: manifest.Model, vocabulary: v}
	if int(v.End) >= m.Vocabulary || int(v.NoTimestamps) >= m.Vocabulary {
		return nil, scout.Errorf(scout.CodeModelCorrupt, "load model: the vocabulary has markers up to %d, the model %d tokens", v.NoTimestamps, m.Vocabulary)
	}
	var cross []string
	in := []string{"embedded", "total", "rows", "bias", "boost_tokens", "boost", "count"}
	out := []string{"logits", "next", "logprob", "alignment"}
	for l := range m.Layers {
		key, value := fmt.Sprintf("cross_key.%d", l), fmt.Sprintf("cross_value.%d", l)
		cross = append(cross, key, value)
		in = append(in, key, value, fmt.Sprintf("past_key.%d", l), fmt.Sprintf("past_value.%d", l))
		out = append(out, fmt.Sprintf("present_key.%d", l), fmt.Sprintf("present_value.%d", l))
	}
	// In parallel: loading mostly arranges weights for the processor, which each session does on one thread.
	var group errgroup.Group
	group.Go(func() (err error) {
		m.mel, err = native.OpenSession(mel, []string{"samples"}, []string{"mel"}, native.Arena)
		return err
	})
	group.Go(func() (err error) {
		m.encoder, err = native.OpenSession(encoder, []string{"mel"}, cross, native.Heap)
		return err
	})
	group.Go(func() (err error) {
		m.decoder, err = native.OpenSession(decoder, in, out, native.Arena)
		return err
	})
	group.Go(func() (err error) {
		m.embedding, err = prepared.OpenEmbedding(dir, manifest)
		return err
	})
	if err := errors.Join(group.Wait(), m.suppress()); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// suppress makes the biases that keep tokens from coming: those of the model's own list, all markers but the end, and
// all times. The first token cannot be the end or a lone space either, so the model cannot answer nothing.
func (m *model) suppress() error {
	never := float32(math.Inf(-1))
	bias := make([]float32, m.Vocabulary)
	for _, id := range m.Suppressed {
		bias[id] = never
	}
	bias[m.vocabulary.End] = 0
	for id := int(m.vocabulary.End) + 1; id < m.Vocabulary; id++ {
		bias[id] = never
	}
	first := append([]float32(nil), bias...)
	for _, id := range m.SuppressedFirst {
		first[id] = never
	}
	var errs [2]error
	m.later, errs[0] = ort.NewTensor(ort.NewShape(int64(m.Vocabulary)), bias)
	m.first, errs[1] = ort.NewTensor(ort.NewShape(int64(m.Vocabulary)), first)
	return errors.Join(errs[:]...)
}

// placer returns one for the words of this model.
func (m *model) placer() *wordtime.Placer {
	return wordtime.New(wordtime.Whisper(len(m.AlignmentHeads)))
}

func (m *model) headWidth() int { return m.Width / m.Heads }

func (m *model) close() error {
	var errs []error
	for _, s := range []*ort.DynamicAdvancedSession{m.mel, m.encoder, m.decoder} {
		if s != nil {
			errs = append(errs, s.Destroy())
		}
	}
	for _, t := range []*ort.Tensor[float32]{m.first, m.later} {
		if t != nil {
			errs = append(errs, t.Destroy())
		}
	}
	if m.embedding != nil {
		errs = append(errs, m.embedding.Close())
	}
	return errors.Join(errs...)
}
