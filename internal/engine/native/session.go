// Package native runs prepared graphs on ONNX Runtime for the backends of the engine process: it starts the runtime,
// loads sessions, makes tensors over Go's memory, ends runs with their context, and hands out slots.
package native

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
)

// runtimeMu guards the start of ONNX Runtime. There is one runtime per process, and it stays until the process ends.
var runtimeMu sync.Mutex

// start loads ONNX Runtime unless an earlier call did.
func start(library string) error {
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

// Start loads ONNX Runtime, unless an earlier call did, beside other work of loading a model. Reading a vocabulary takes
// 10 ms and starting the runtime 35, and neither uses a second processor.
func Start(library string, work func() error) error {
	var group errgroup.Group
	group.Go(work)
	group.Go(func() error { return start(library) })
	return group.Wait() //nolint:wrapcheck // it says what failed
}

// TriedOut returns the error of a model whose graphs were run once over silence, with err. ONNX Runtime resolves inputs and
// outputs by name only when a graph runs, so a file with another graph is found in this way, and not at the first request.
func TriedOut(ctx context.Context, modelID string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("load model: %w", err)
	}
	return scout.Errorf(scout.CodeModelCorrupt, "load model %s: the graphs do not run: %w", modelID, err)
}

// Memory is where a session takes the memory of its runs from.
type Memory int

const (
	// Arena keeps all memory that a run ever needed for the runs of the same session. Where the C library does not keep freed
	// memory it is faster: 1.3 to 1.8 times for an encoder, because of page faults.
	Arena Memory = iota
	// Heap takes it from the C library, which all sessions share, and ReturnFreed can empty it.
	Heap
)

// OpenSession loads a graph with the named inputs and outputs. Sessions have one thread: a request runs on its caller's.
// A missing file, and a graph that ONNX Runtime cannot load, give model_corrupt.
func OpenSession(path string, in, out []string, memory Memory) (*ort.DynamicAdvancedSession, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, scout.Errorf(scout.CodeModelCorrupt, "load model: %w", err)
		}
		return nil, scout.FileError(scout.CodeReadFailed, "load model", err)
	}
	options, err := sessionOptions(memory)
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

// sessionOptions returns the options of all sessions. Memory patterns are off: they cost 20 MB and gain nothing if every
// request has another length.
func sessionOptions(memory Memory) (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	if err := errors.Join(o.SetIntraOpNumThreads(1), o.SetInterOpNumThreads(1), o.SetMemPattern(false), o.SetCpuMemArena(memory == Arena)); err != nil {
		return nil, errors.Join(fmt.Errorf("session options: %w", err), o.Destroy())
	}
	return o, nil
}

// watch makes runs with these options end when ctx does. The returned function undoes this, and waits for the handling of the
// end of ctx.
func watch(ctx context.Context, options *ort.RunOptions) (stop func() error) {
	terminated := make(chan error, 1)
	cancel := context.AfterFunc(ctx, func() { terminated <- options.Terminate() })
	return func() error {
		if cancel() {
			return nil
		}
		return errors.Join(<-terminated, options.UnsetTerminate())
	}
}
