package moonshine

import (
	"errors"
	"fmt"
	"path/filepath"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// layers is the number of decoder layers, each with keys and values to hand around.
const layers = 6

// model is the two sessions, which hold the weights, and the embedding. Any number of goroutines may use them at once.
type model struct {
	encoder, decoder *ort.DynamicAdvancedSession
	embedding        *prepare.Embedding
}

// openModel loads the prepared graphs. Sessions have one thread: a request runs on its caller's.
func openModel(encoder, decoder string) (*model, error) {
	crossNames := make([]string, 0, 2*layers)
	in := []string{"embedded", "total", "boost_tokens", "boost"}
	out := []string{"next", "logprob", "alignment"}
	for l := range layers {
		key, value := fmt.Sprintf("cross_key.%d", l), fmt.Sprintf("cross_value.%d", l)
		crossNames = append(crossNames, key, value)
		in = append(in, key, value, fmt.Sprintf("past_key.%d", l), fmt.Sprintf("past_value.%d", l))
		out = append(out, fmt.Sprintf("present_key.%d", l), fmt.Sprintf("present_value.%d", l))
	}
	// In parallel: loading mostly arranges weights for the processor, which each session does on one thread.
	m := &model{}
	var group errgroup.Group
	group.Go(func() (err error) {
		m.encoder, err = native.OpenSession(encoder, []string{"samples"}, crossNames, native.Arena)
		return err
	})
	group.Go(func() (err error) {
		m.decoder, err = native.OpenSession(decoder, in, out, native.Arena)
		return err
	})
	group.Go(func() (err error) {
		m.embedding, err = prepare.OpenEmbedding(filepath.Dir(decoder))
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *model) close() error {
	var errs []error
	for _, s := range []*ort.DynamicAdvancedSession{m.encoder, m.decoder} {
		if s != nil {
			errs = append(errs, s.Destroy())
		}
	}
	if m.embedding != nil {
		errs = append(errs, m.embedding.Close())
	}
	return errors.Join(errs...)
}
