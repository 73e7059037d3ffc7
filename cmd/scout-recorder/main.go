// Command scout-recorder records into one folder and serves its socket. It is started by scout, or found running
// by it, and outlives whoever started it. It links what recording needs and nothing else; see
// docs/adr/0020-recorder-process.md and docs/formats/recorder-socket.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/footprint"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/release"
)

// Exit codes, as those of scout.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	lazy := waitLazily()                           // it works as well without, only more
	slog.SetDefault(slog.New(slog.DiscardHandler)) // libraries that log by themselves must not end as the last line
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stderr, lazy)
	stop()
	os.Exit(code)
}

// run is main without the process: it returns the exit code. lazy is why the process is as eager as others, nil where
// it is not. Whoever started this process shows the last line that
// it wrote, so that an error is one line and the last.
func run(ctx context.Context, args []string, out io.Writer, lazy error) int {
	flags := flag.NewFlagSet("scout-recorder", flag.ContinueOnError)
	options, err := parse(flags, args, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(out)
		flags.PrintDefaults()
		return exitOK
	case err != nil:
		complain(out, err)
		return exitUsage
	}
	log := options.Scope.Log()
	// Where the program was started from must not be kept busy for as long as this process lives.
	if err := os.Chdir(string(filepath.Separator)); err != nil {
		log.Debug("folder_not_left", slog.String(observe.KeyError, err.Error()))
	}
	if lazy != nil {
		log.Debug("timers_stay_exact", slog.String(observe.KeyError, lazy.Error()))
	}
	if err := footprint.ReturnStartupPages(); err != nil { // it works as well, only larger
		log.Debug("startup_pages_stay", slog.String(observe.KeyError, err.Error()))
	}
	if err := recorder.Run(ctx, options); err != nil {
		complain(out, err)
		return exitFailed
	}
	return exitOK
}

// parse returns what the flags ask for; the log goes to out.
func parse(flags *flag.FlagSet, args []string, out io.Writer) (recorder.Options, error) {
	var o recorder.Options
	flags.SetOutput(io.Discard) // what is wrong is said once, at the end
	dir := flags.String("recordings-dir", "", "`folder` of recordings; required")
	flags.DurationVar(&o.IdleFor, "idle-for", 0, "end when there was nothing to record and nobody attached for so long (default 30s)")
	flags.DurationVar(&o.SyncEvery, "sync-every", 0, "rhythm in which audio is synced to the disk (default 150ms)")
	level := flags.String("log-level", "info", "debug, info, warn or error")
	format := flags.String("log-format", string(observe.LogText), "text or json")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, scout.Errorf(scout.CodeInvalidArgument, "unknown argument %q", flags.Arg(0))
	}
	if *dir == "" {
		return o, scout.Errorf(scout.CodeInvalidArgument, "--recordings-dir is missing: this program is started by scout, not by hand")
	}
	logLevel, err := observe.ParseLogLevel(*level)
	if err != nil {
		return o, err
	}
	logFormat, err := observe.ParseLogFormat(*format)
	if err != nil {
		return o, err
	}
	if o.Dir, err = filepath.Abs(*dir); err != nil {
		return o, fmt.Errorf("find the folder of recordings: %w", err)
	}
	registry := prometheus.NewRegistry()
	o.Version, o.Gatherer = release.Version(), registry
	o.Scope = observe.NewScope(observe.NewLogger(out, logFormat, logLevel), registry, nil)
	return o, nil
}

// complain writes err as one line. Where that fails there is nobody left to tell.
func complain(out io.Writer, err error) {
	text := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	_, _ = fmt.Fprintf(out, "scout-recorder: %s\n", text)
}
