// Command scout-engine loads one speech model and transcribes the audio that it receives. scout starts it with two
// inherited pipes, and it ends when they close. It is the only program of Scout that links native inference; see
// docs/formats/engine-wire.md.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/moonshine"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/sherpa"
	"github.com/scout-speech/scout/internal/engine/whisper"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/footprint"
	_ "github.com/scout-speech/scout/internal/preflight" // ends with one line if a limit would end Go's runtime
)

// Inherited file descriptors: requests arrive on one, answers are sent on the other.
const (
	requestFD = 3
	answerFD  = 4
)

// garbagePercent keeps Go's part of the memory small compared with the model's. Measured: 118 MB at the peak over the
// development set at 10 %, 122 at 30 %, 149 at 100 %, at equal speed (docs/adr/0011-decoding-loop.md).
const garbagePercent = 10

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "scout-engine:", err)
		os.Exit(1)
	}
}

func run() error {
	leaveSignalsToScout()
	debug.SetGCPercent(garbagePercent)
	in, out, err := pipes()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return server.Serve(context.Background(), in, out, server.Options{
		Log: log,
		Open: func(ctx context.Context, load wire.Load) (server.Backend, error) {
			backend, err := open(ctx, load)
			if err == nil {
				settle(log)
			}
			return backend, err
		},
	})
}

// leaveSignalsToScout ignores the signals that a terminal sends to all its processes (Ctrl-C, Ctrl-\, its end): scout
// decides when this process ends, and no stack appears on the screen.
func leaveSignalsToScout() { signal.Ignore(os.Interrupt, syscall.SIGQUIT, syscall.SIGHUP) }

// settle ends the settings that were only for loading. Weights load faster into huge pages and take no more memory
// there, but the memory of requests would. Without this step everything works too, but takes more memory.
func settle(log *slog.Logger) {
	if err := footprint.EndHugePages(); err != nil {
		log.Warn(footprint.EventHugePagesStay, slog.String("error", err.Error()))
	}
	if err := footprint.ReturnStartupPages(); err != nil {
		log.Warn(footprint.EventStartupPagesStay, slog.String("error", err.Error()))
	}
}

// pipes opens the inherited descriptors and refuses to run without them.
func pipes() (io.Reader, io.Writer, error) {
	in, err := inherited(requestFD, "requests")
	if err != nil {
		return nil, nil, err
	}
	out, err := inherited(answerFD, "answers")
	if err != nil {
		return nil, nil, err
	}
	return in, out, nil
}

// inherited takes over the end of a pipe and makes it non-blocking. Its reader then waits in Go's poller and leaves its
// processor to the goroutines that it has just woken. A reader that blocks in read(2) keeps the processor until the
// runtime notices, up to 10 ms later; see "Cancelling" in docs/adr/0011-decoding-loop.md.
func inherited(fd int, name string) (*os.File, error) {
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return nil, scout.Errorf(scout.CodeInvalidArgument,
			"descriptor %d is not a pipe: this program is started by scout, not by hand", fd)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, scout.Errorf(scout.CodeInternal, "open pipe of %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// runtimeLibrary is already loaded into the process, as a dependency of sherpa-onnx: all backends share it.
const runtimeLibrary = "libonnxruntime.so"

func open(ctx context.Context, load wire.Load) (server.Backend, error) {
	switch load.Backend {
	case moonshine.Name:
		return moonshine.Open(ctx, load, runtimeLibrary)
	case whisper.Name:
		return whisper.Open(ctx, load, runtimeLibrary)
	case sherpa.Name:
		return sherpa.Open(ctx, load)
	}
	return nil, scout.Errorf(scout.CodeModelUnsupported, "unknown backend %q", load.Backend)
}
