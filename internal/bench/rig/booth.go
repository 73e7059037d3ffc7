package rig

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/speech"
)

// The two devices of a Booth: the null sink of a sound server, which is the real path of captured sound, and the virtual
// device that reads a file.
const (
	DeviceSink = "null sink"
	DeviceFile = "file"
)

// Booth is where dictations are made as a person makes them: with the program scout, in a data folder of its own, and
// with a sound server of its own whose null sink takes the place of the microphone.
type Booth struct {
	// Program is scout, Models the folder of models.
	Program, Models string
	// Device is DeviceSink or DeviceFile.
	Device string
	// Language is spoken. Model is the id of the model that makes the text, empty to leave that to scout.
	Language, Model string
	// OnePass leaves the second pass out.
	OnePass bool
	// Single is the single pass, with its options. Bare decodes the audio that was not committed at the stop.
	Single  *speech.Batch
	Options speech.Options
	Bare    *Live
	Reader  Reader

	dir    string
	env    []string
	server *exec.Cmd
	ended  chan struct{} // the server has
	deaf   func()        // ends what interruptible began
	delays []time.Duration
}

// sink is the name of the null sink, its monitor the microphone.
const sink = "booth"

// secondWithin is how long the second pass may take.
const secondWithin = 20 * time.Second

// serverWithin is how long the sound server may take to start.
const serverWithin = 20 * time.Second

// recorderWithin is how long a recorder that was told to end may take.
const recorderWithin = 5 * time.Second

// interruptible makes SIGINT end the processes that are started until stop is called. A shell ignores SIGINT for what it runs in the
// background, and processes inherit that: the signal that stops a dictation would do nothing. Whoever ignored it here still does.
func interruptible() (stop func()) {
	signals := make(chan os.Signal, 1)
	if !signal.Ignored(os.Interrupt) {
		return func() {}
	}
	signal.Notify(signals, os.Interrupt)
	return func() { signal.Stop(signals) }
}

// Open makes the folder, and starts the sound server and the daemon. The caller closes the booth, also after an error.
func (b *Booth) Open(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "scout-live"); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "make a folder", err)
	}
	b.deaf = interruptible()
	b.env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "PULSE_") || strings.HasPrefix(e, "SCOUT_") && !strings.HasPrefix(e, "SCOUT_TEST")
	})
	b.env = append(b.env, "SCOUT_DATA="+b.dir, "SCOUT_MODELS="+b.Models, "SCOUT_CONFIG="+filepath.Join(b.dir, "settings.toml"),
		// The command waits for the second pass, however late it is: what would have been inserted follows from when it came.
		"SCOUT_INSERT__WAIT="+secondWithin.String())
	if b.OnePass {
		b.env = append(b.env, "SCOUT_DICTATION__SECOND_PASS=off")
	}
	if err := atomicfile.Write(filepath.Join(b.dir, "settings.toml"), nil, atomicfile.Options{Unsynced: true}); err != nil {
		return err
	}
	if b.Device == DeviceSink {
		if err := b.startServer(ctx); err != nil {
			return err
		}
	}
	_, err = b.status(ctx) // the daemon runs
	return err
}

// startServer starts the sound server with its null sink.
func (b *Booth) startServer(ctx context.Context) error {
	for _, program := range []string{"pulseaudio", "pactl", "pacat"} {
		if _, err := exec.LookPath(program); err != nil {
			return scout.Errorf(scout.CodeNotFound, "%s is not installed", program).
				WithHint("on Debian: apt-get install pulseaudio pulseaudio-utils; or measure without a sound server: --device file")
		}
	}
	socket := filepath.Join(b.dir, "native")
	b.env = append(b.env, "PULSE_SERVER=unix:"+socket)
	b.server = exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes", "--log-target=stderr", "--log-level=error",
		"--realtime=no", "--high-priority=no", "-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket)
	b.server.Env = append(slices.Clone(b.env), "XDG_RUNTIME_DIR="+b.dir, "PULSE_RUNTIME_PATH="+b.dir, "HOME="+b.dir)
	if err := b.server.Start(); err != nil {
		b.server = nil
		return scout.Errorf(scout.CodeInternal, "start pulseaudio: %w", err)
	}
	b.ended = make(chan struct{})
	go func() { // ends with the server, which Close kills
		_ = b.server.Wait() // it was killed
		close(b.ended)
	}()
	dialer := net.Dialer{}
	for began := time.Now(); ; {
		if conn, err := dialer.DialContext(ctx, "unix", socket); err == nil {
			_ = conn.Close() // only to see whether it listens
			break
		}
		if time.Since(began) > serverWithin || ctx.Err() != nil {
			return scout.Errorf(scout.CodeInternal, "pulseaudio does not listen")
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // nothing announces the socket of another process
	}
	load := exec.CommandContext(ctx, "pactl", "load-module", "module-null-sink", "sink_name="+sink, "rate=48000", "channels=1")
	load.Env = b.env
	if out, err := load.CombinedOutput(); err != nil {
		return scout.Errorf(scout.CodeInternal, "pactl load-module: %w: %s", err, out)
	}
	return nil
}

// Close ends the daemon, the recorder and the sound server, and removes the folder, also if ctx has ended.
func (b *Booth) Close(ctx context.Context) error {
	if b.dir == "" {
		return nil
	}
	defer b.deaf()
	ctx = context.WithoutCancel(ctx)
	_ = b.scout(ctx, "record", "stop").Run() // nothing records, as a rule
	recorder := 0
	if s, err := b.status(ctx); err == nil {
		recorder = s.Recorder.PID
	}
	err := b.scout(ctx, "serve", "stop").Run()
	if recorder > 0 {
		if p, find := os.FindProcess(recorder); find == nil {
			_ = p.Signal(os.Interrupt) // it would end by itself when it is idle
			for began := time.Now(); p.Signal(syscall.Signal(0)) == nil && time.Since(began) < recorderWithin; {
				time.Sleep(5 * time.Millisecond) //nolint:forbidigo // nothing announces the end of a process that is no child
			}
		}
	}
	if b.server != nil {
		_ = b.server.Process.Kill() // it may be gone
		<-b.ended
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// scout returns a command of the program in the folder of the booth.
func (b *Booth) scout(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.Program, args...)
	cmd.Env = b.env
	return cmd
}

// ask runs scout and reads its JSON. One that fails may have answered nevertheless: a part of a text is missing.
func (b *Booth) ask(ctx context.Context, into any, args ...string) error {
	out, err := b.output(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return scout.Errorf(scout.CodeInternal, "scout %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// output runs scout and returns what it prints. Something printed is an answer, also of one that fails.
func (b *Booth) output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := b.scout(ctx, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && len(out) == 0:
		return nil, scout.Errorf(scout.CodeInternal, "scout %s: %s", strings.Join(args, " "), strings.TrimSpace(said.String()))
	case err != nil && exit == nil:
		return nil, scout.FileError(scout.CodeReadFailed, "start scout", err)
	}
	return out, nil
}

// daemonStatus is what a Booth reads of scout status --json.
type daemonStatus struct {
	Processes []struct {
		Name string `json:"name"`
		PID  int    `json:"pid"`
	} `json:"processes"`
	Recorder struct {
		PID int `json:"pid"`
	} `json:"recorder"`
}

func (b *Booth) status(ctx context.Context) (s daemonStatus, err error) {
	err = b.ask(ctx, &s, "status")
	return s, err
}

// pids returns the processes of Scout, without the command that a person runs.
func (s *daemonStatus) pids() []int {
	var pids []int
	for _, p := range s.Processes {
		pids = append(pids, p.PID)
	}
	if s.Recorder.PID > 0 {
		pids = append(pids, s.Recorder.PID)
	}
	return pids
}

// of returns the process with a name, 0 for none.
func (s *daemonStatus) of(name string) int {
	for _, p := range s.Processes {
		if p.Name == name {
			return p.PID
		}
	}
	return 0
}

// takeRecording is what a Booth reads of scout recordings list --json.
type takeRecording struct {
	ID      string    `json:"id"`
	Started time.Time `json:"started_at"`
	Path    string    `json:"path"`
	State   string    `json:"state"`
}

// newest returns the recording that began last.
func (b *Booth) newest(ctx context.Context) (takeRecording, error) {
	var list struct {
		Recordings []takeRecording `json:"recordings"`
	}
	if err := b.ask(ctx, &list, "recordings", "list"); err != nil {
		return takeRecording{}, err
	}
	if len(list.Recordings) == 0 {
		return takeRecording{}, scout.Errorf(scout.CodeRecordingNotFound, "the dictation left no recording")
	}
	return slices.MaxFunc(list.Recordings, func(a, b takeRecording) int { return a.Started.Compare(b.Started) }), nil
}

// player plays samples into the null sink.
type player struct {
	cmd  *exec.Cmd
	mark time.Time // when it was started
}

// playLatency is how much audio the sound server may hold.
const playLatency = 120 * time.Millisecond

// play begins to play.
func (b *Booth) play(ctx context.Context, samples []float32) (*player, error) {
	data := make([]byte, 0, 2*len(samples))
	for _, v := range samples {
		data = binary.LittleEndian.AppendUint16(data, uint16(int16(math.Round(float64(max(-1, min(1, v)))*math.MaxInt16))))
	}
	path := filepath.Join(b.dir, "take.raw")
	if err := atomicfile.Write(path, data, atomicfile.Options{Unsynced: true}); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "pacat", "--playback", "--raw", "--format=s16le", fmt.Sprintf("--rate=%d", scout.EngineSampleRateHz), "--channels=1",
		"--device="+sink, fmt.Sprintf("--latency-msec=%d", playLatency.Milliseconds()), path)
	cmd.Env = b.env
	p := &player{cmd: cmd, mark: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, scout.Errorf(scout.CodeInternal, "start pacat: %w", err)
	}
	return p, nil
}

// close ends playing.
func (p *player) close() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may be at its end
	_ = p.cmd.Wait()         // it was killed
}

// Listen keeps the source running, as another program that records does, until release is called. It asks for a short
// latency: a null sink whose readers do not is up to two seconds ahead, and silent to who comes then.
func (b *Booth) Listen(ctx context.Context) (release func(), err error) {
	cmd := exec.CommandContext(ctx, "pacat", "--record", "--device="+sink+".monitor", "--latency-msec=20")
	cmd.Env = b.env
	if err := cmd.Start(); err != nil {
		return nil, scout.Errorf(scout.CodeInternal, "start pacat: %w", err)
	}
	return func() {
		_ = cmd.Process.Kill() // it runs
		_ = cmd.Wait()         // it was killed
	}, nil
}

// source writes samples to a file for the virtual device and returns the name of the device.
func (b *Booth) source(samples []float32) (string, error) {
	path := filepath.Join(b.dir, "take.wav")
	if err := writeWAV(path, len(samples), func(emit func([]float32) error) error { return emit(samples) }); err != nil {
		return "", err
	}
	return "file:" + path, nil
}

// delay is how long after the mark a sound is in the recording: the median of those seen, which the first take has not.
func (b *Booth) delay() time.Duration {
	if len(b.delays) == 0 {
		if b.Device == DeviceFile {
			return 0
		}
		return playLatency
	}
	sorted := slices.Sorted(slices.Values(b.delays))
	return sorted[len(sorted)/2]
}

// discard reads a stream to its end.
func discard(r io.Reader) { _, _ = io.Copy(io.Discard, r) }
