package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/loopback"
)

// Options say what is measured, and how much of it.
type Options struct {
	// Program is scout, Models the folder of models. Model is used for everything; empty leaves that to scout.
	Program, Models, Model string
	// Speech is what clips are cut from: one channel of 16 kHz. It is only read.
	Speech []float32
	// Connections, Time, Kills and Keys are the sizes of the figures.
	Connections int
	Time        time.Duration
	Kills, Keys int
	// CPUPercent is the setting limits.cpu_percent; 0 for its default. Where it is not 100, slots rest.
	CPUPercent int
	// Progress is told what happens.
	Progress func(line string)
}

// house is a daemon with a data folder of its own.
type house struct {
	Options

	dir    string // of everything
	data   string // of the daemon
	env    []string
	port   *loopback.Port
	owner  *client // by TCP, with a key
	keys   int     // that were made
	daemon *exec.Cmd
	output *os.File      // of the daemon
	ended  chan struct{} // the daemon has
	near   http.RoundTripper
}

const (
	// readyWithin is how long a daemon may take until it serves.
	readyWithin = 20 * time.Second
	// endsWithin is how long it may take to end.
	endsWithin = 20 * time.Second
	// readyEvery is how often somebody asks whether it serves.
	readyEvery = 2 * time.Millisecond
	// recorderWithin is how long a recorder that was told to end may take.
	recorderWithin = 5 * time.Second
)

// open makes a house without a daemon. The caller closes it, also after an error.
//
//	data  a folder for the data of the daemon; empty for one in the folder of the house
//	set   further settings, as variables: NAME=VALUE
func open(o Options, data string, set ...string) (*house, error) {
	h := &house{Options: o, data: data}
	var err error
	if h.dir, err = os.MkdirTemp("", "sb"); err != nil { // short, for the path of the socket
		return h, scout.FileError(scout.CodeWriteFailed, "make a folder", err)
	}
	if h.data == "" {
		h.data = filepath.Join(h.dir, "d")
	}
	if h.port, err = loopback.Reserve(); err != nil {
		return h, err
	}
	file := filepath.Join(h.dir, "settings.toml")
	if err := atomicfile.Write(file, nil, atomicfile.Options{Unsynced: true}); err != nil {
		return h, err
	}
	h.env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "SCOUT_") && !strings.HasPrefix(e, "SCOUT_TEST")
	})
	h.env = append(h.env, "SCOUT_DATA="+h.data, "SCOUT_MODELS="+o.Models, "SCOUT_CONFIG="+file, "XDG_RUNTIME_DIR="+h.dir)
	if o.Model != "" {
		h.env = append(h.env, "SCOUT_MODEL="+o.Model)
	}
	if o.CPUPercent > 0 {
		h.env = append(h.env, fmt.Sprintf("SCOUT_LIMITS__CPU_PERCENT=%d", o.CPUPercent))
	}
	h.env = append(h.env, set...)
	h.near = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.data, "scout.sock"))
	}}
	return h, nil
}

// address is where the daemon answers.
func (h *house) address() string { return h.port.String() }

// furnish opens a house with a daemon, and makes the owner's key.
func furnish(ctx context.Context, o Options, data string, set ...string) (h *house, err error) {
	if h, err = open(o, data, set...); err != nil {
		return h, err
	}
	if _, err := h.start(ctx); err != nil {
		return h, err
	}
	key, err := h.key(ctx, "owner", true)
	h.owner = h.client(key)
	return h, err
}

// start starts the daemon and returns how long it took until it said that it serves.
func (h *house) start(ctx context.Context) (ready time.Duration, err error) {
	// atomicfile: it is appended to while the daemon runs, and read if it fails.
	if h.output, err = os.OpenFile(filepath.Join(h.dir, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return 0, scout.FileError(scout.CodeWriteFailed, "make a file for the output of the daemon", err)
	}
	h.daemon = exec.Command(h.Program, "serve", "--addr", h.address()) //nolint:noctx // stop and kill end it, also after ctx
	h.daemon.Env, h.daemon.Stdout, h.daemon.Stderr = h.env, h.output, h.output
	h.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which ends the daemon
	began := time.Now()
	if err := h.daemon.Start(); err != nil {
		h.daemon = nil
		return 0, errors.Join(scout.Errorf(scout.CodeInternal, "start scout serve: %w", err), h.output.Close())
	}
	ended := make(chan struct{})
	h.ended = ended
	go func(cmd *exec.Cmd, output *os.File) { // ends with the daemon, which close ends
		_ = cmd.Wait()     // it is killed, as a rule
		_ = output.Close() // it was only passed on
		close(ended)
	}(h.daemon, h.output)
	within, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	asks := h.client("")
	defer asks.close()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		if a, err := asks.get(within, "/readyz"); err == nil && a.status == http.StatusOK {
			return time.Since(began), nil
		}
		select {
		case <-tick.C:
		case <-ended:
			return 0, scout.Errorf(scout.CodeInternal, "scout serve ended: %s", h.said())
		case <-within.Done():
			return 0, scout.Errorf(scout.CodeDeadlineExceeded, "scout serve is not ready after %s: %s", time.Since(began).Round(time.Millisecond), h.said())
		}
	}
}

// said is the end of what the daemon has written.
func (h *house) said() string {
	text, err := os.ReadFile(filepath.Join(h.dir, "output"))
	if err != nil {
		return scout.Plain(err)
	}
	const most = 1000
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}

// kill sends a signal to the daemon that ends it, and waits for its end.
func (h *house) kill(signal syscall.Signal) {
	if h.daemon == nil {
		return
	}
	_ = h.daemon.Process.Signal(signal) // it may have ended
	<-h.ended
	h.daemon = nil
}

// stop ends the daemon as a person does.
func (h *house) stop() {
	if h.daemon == nil {
		return
	}
	_ = h.daemon.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-h.ended:
		h.daemon = nil
	case <-time.After(endsWithin):
		h.kill(syscall.SIGKILL)
	}
}

// close ends the daemon and the recorder, and removes the folder.
func (h *house) close(ctx context.Context) error {
	if h == nil || h.dir == "" {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if h.daemon != nil {
		var recorder struct {
			PID int `json:"pid"`
		}
		if h.owner != nil {
			_, _ = h.owner.ask(ctx, http.MethodPost, "/recorder/stop", struct{}{}, nil) // nothing records, as a rule
			_, _ = h.owner.ask(ctx, http.MethodGet, "/recorder", nil, &recorder)        // 0 if it does not answer
		}
		h.stop()
		end(recorder.PID)
	}
	return errors.Join(h.port.Release(), scout.FileError(scout.CodeWriteFailed, "remove the folder", os.RemoveAll(h.dir)))
}

// end ends a recorder, which would end by itself when it has been idle.
func end(pid int) {
	if pid <= 0 {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGINT) // it may have ended
	for began := time.Now(); syscall.Kill(pid, 0) == nil && time.Since(began) < recorderWithin; {
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // nothing announces the end of a process that is no child
	}
}

// key makes a key.
func (h *house) key(ctx context.Context, name string, owner bool) (string, error) {
	role := "client"
	if owner {
		role = "owner"
	}
	var made struct {
		Key string `json:"key"`
	}
	near := &client{http: &http.Client{Transport: h.near}, base: "http://scout"}
	h.keys++
	_, err := near.ask(ctx, http.MethodPost, "/keys", map[string]any{"name": fmt.Sprintf("%s %d", name, h.keys), "role": role}, &made)
	return made.Key, err
}

// process is one of the service.
type process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
}

// processes are those of the service.
func (h *house) processes(ctx context.Context) ([]process, error) {
	var status struct {
		Processes []process `json:"processes"`
	}
	_, err := h.owner.ask(ctx, http.MethodGet, "/status", nil, &status)
	return status.Processes, err
}

// pss is the memory of all processes by name.
func (h *house) pss(ctx context.Context) (map[string]int64, error) {
	all, err := h.processes(ctx)
	sizes := make(map[string]int64)
	for _, p := range all {
		sizes[p.Name] += bench.ProportionalSize(p.PID)
	}
	return sizes, err
}

// holds is what the daemon holds now.
func (h *house) holds(ctx context.Context) (bench.ServiceHolds, error) {
	pid := h.daemon.Process.Pid
	found := bench.ServiceHolds{PSS: bench.ProportionalSize(pid)}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return found, scout.FileError(scout.CodeReadFailed, "count open files", err)
	}
	found.Files = len(files)
	m, err := h.metrics(ctx)
	found.Goroutines = int(m.sum("scout_goroutines", "daemon"))
	return found, err
}

// tell says what happens.
func (h *house) tell(format string, args ...any) {
	if h.Progress != nil {
		h.Progress(fmt.Sprintf(format, args...))
	}
}
