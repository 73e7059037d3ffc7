package moonshine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// runtimeMu guards the start of ONNX Runtime. There is one runtime per process, and it stays until the process ends.
var runtimeMu sync.Mutex

// startRuntime loads ONNX Runtime unless an earlier call did.
func startRuntime(library string) error {
	runtimeMu.Lock()
	defer runtimeMu.Unlock()
	if ort.IsInitialized() {
		return nil
	}
	ort.SetSharedLibraryPath(library)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return scout.Errorf(scout.CodeEngineMissing, "load ONNX Runtime %s: %w", library, err)
	}
	return nil
}

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
		m.encoder, err = openSession(encoder, []string{"samples"}, crossNames)
		return err
	})
	group.Go(func() (err error) {
		m.decoder, err = openSession(decoder, in, out)
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

func openSession(path string, in, out []string) (*ort.DynamicAdvancedSession, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, scout.Errorf(scout.CodeModelCorrupt, "load model: %w", err)
		}
		return nil, scout.FileError(scout.CodeReadFailed, "load model", err)
	}
	options, err := sessionOptions()
	if err != nil {
		return nil, scout.Errorf(scout.CodeEngineFailed, "load model: %w", err)
	}
	defer options.Destroy() //nolint:errcheck // it only frees
	s, err := ort.NewDynamicAdvancedSession(path, in, out, options)
	if err != nil {
		return nil, scout.Errorf(scout.CodeModelCorrupt, "load model %s: %w", path, err)
	}
	return s, nil
}

// sessionOptions returns the options of both sessions. The allocator's arena stays on: without it the encoder takes 1.3
// to 1.8 times as long, because of page faults. Memory patterns are off: they cost 20 MB and gain nothing if every
// request has another length.
func sessionOptions() (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	if err := errors.Join(o.SetIntraOpNumThreads(1), o.SetInterOpNumThreads(1), o.SetMemPattern(false)); err != nil {
		return nil, errors.Join(fmt.Errorf("session options: %w", err), o.Destroy())
	}
	return o, nil
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
