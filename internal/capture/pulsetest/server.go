// Package pulsetest starts private PulseAudio servers for tests: the real path from a microphone without a microphone.
// A null sink takes the place of the sound card; audio played into it comes out of its monitor bit by bit, at equal
// rate and format.
//
// Each server lives in its own folder and is addressed by name, so tests run in parallel and touch nothing of the
// user's. It needs the Debian packages pulseaudio and pulseaudio-utils; without them tests are skipped.
package pulsetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/testrun"
)

// Server is a running PulseAudio server.
type Server struct {
	// Address is that of its socket, as in PULSE_SERVER.
	Address string
	tb      testing.TB
	dir     string
	command *exec.Cmd
	log     bytes.Buffer
	exited  chan struct{}
}

// Start starts a server without any sink or source. It ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	for _, program := range []string{"pulseaudio", "pactl"} {
		if _, err := exec.LookPath(program); err != nil {
			tb.Skipf("%s is not installed (Debian: apt-get install pulseaudio pulseaudio-utils)", program)
		}
	}
	// The path of a socket has room for 107 bytes; test folders are longer.
	dir, err := os.MkdirTemp("", "pulse") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{Address: "unix:" + filepath.Join(dir, "native"), tb: tb, dir: dir}
	tb.Cleanup(func() {
		s.Kill()
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("remove the server's folder: %v", err)
		}
		if tb.Failed() {
			tb.Logf("pulseaudio: %s", tail(s.log.String(), 300))
		}
	})
	s.Restart()
	return s
}

// Restart starts the server again after Kill, at the same address and without sinks.
func (s *Server) Restart() {
	s.tb.Helper()
	socket := strings.TrimPrefix(s.Address, "unix:")
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) { // left by kill -9
		s.tb.Fatal(err)
	}
	s.command = exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
		"--disable-shm=yes", "--log-target=stderr", "--log-level=warning", "--realtime=no", "--high-priority=no",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket)
	s.command.Env = append(environment(), "XDG_RUNTIME_DIR="+s.dir, "HOME="+s.dir, "PULSE_RUNTIME_PATH="+s.dir)
	s.command.Stderr = &s.log
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.command.Start(); err != nil {
		s.tb.Fatalf("start pulseaudio: %v", err)
	}
	s.exited = make(chan struct{})
	go func(command *exec.Cmd, exited chan struct{}) { // ends with the process, which Kill ends
		_ = command.Wait() // killed on purpose
		close(exited)
	}(s.command, s.exited)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close() // only to see whether it listens
			return
		}
		if time.Now().After(deadline) {
			s.tb.Fatalf("pulseaudio does not listen: %v\n%s", err, tail(s.log.String(), 2000))
		}
	}
}

// environment is that of this process, without variables that lead to the user's own server.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PULSE_") && !strings.HasPrefix(e, "XDG_") && !strings.HasPrefix(e, "DBUS_") && !strings.HasPrefix(e, "DISPLAY=") {
			env = append(env, e)
		}
	}
	return env
}

// Kill ends the server with SIGKILL and waits until it is gone. It may be called repeatedly.
func (s *Server) Kill() {
	_ = s.command.Process.Kill() // it may be gone
	<-s.exited
}

// Signal sends a signal to the server: SIGSTOP stalls it, SIGCONT continues it.
func (s *Server) Signal(signal syscall.Signal) {
	s.tb.Helper()
	if signal == syscall.SIGSTOP {
		testrun.Suspend(s.tb, s.command.Process.Pid)
		return
	}
	if err := s.command.Process.Signal(signal); err != nil {
		s.tb.Fatalf("signal pulseaudio: %v", err)
	}
}

// Control runs pactl and returns its output without the last newline.
func (s *Server) Control(args ...string) string {
	s.tb.Helper()
	command := exec.Command("pactl", args...)
	command.Env = s.Env()
	out, err := command.CombinedOutput()
	if err != nil {
		s.tb.Fatalf("pactl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimRight(string(out), "\n")
}

// Env returns the environment for a program that should use this server.
func (s *Server) Env() []string {
	return append(environment(), "PULSE_SERVER="+s.Address, "XDG_RUNTIME_DIR="+s.dir, "HOME="+s.dir)
}

// System are the options to reach the server.
func (s *Server) System() sound.Options { return sound.Options{Server: s.Address} }

// Backend returns the server as a sound system.
func (s *Server) Backend() sound.Backend {
	s.tb.Helper()
	b, err := miniaudio.Open(s.tb.Context(), s.System())
	if err != nil {
		s.tb.Fatalf("open the sound system: %v", err)
	}
	return b
}

// Microphone is a null sink whose monitor is recorded from.
type Microphone struct {
	// ID is that of the device to record from.
	ID string
	// Sink is where to play audio for the microphone.
	Sink   string
	server *Server
	module string
}

// AddMicrophone adds a 16-bit null sink. The first one is the default device.
func (s *Server) AddMicrophone(name string, rateHz, channels int) *Microphone {
	s.tb.Helper()
	return s.AddMicrophoneIn("s16le", name, rateHz, channels)
}

// AddMicrophoneIn adds a null sink in a format of PulseAudio's.
func (s *Server) AddMicrophoneIn(format, name string, rateHz, channels int) *Microphone {
	s.tb.Helper()
	m := &Microphone{ID: name + ".monitor", Sink: name, server: s}
	m.module = s.Control("load-module", "module-null-sink", "sink_name="+name, fmt.Sprintf("rate=%d", rateHz),
		fmt.Sprintf("channels=%d", channels), "format="+format, "sink_properties=device.description=Microphone-"+name)
	return m
}

// Remove unplugs the microphone.
func (m *Microphone) Remove() {
	m.server.tb.Helper()
	m.server.Control("unload-module", m.module)
}

// Suspend puts the microphone to sleep, or wakes it up. A monitor sleeps with its sink.
func (m *Microphone) Suspend(asleep bool) {
	m.server.tb.Helper()
	m.server.Control("suspend-sink", m.Sink, map[bool]string{true: "1", false: "0"}[asleep])
}

// Player plays into a microphone until it is closed or at its end.
type Player struct {
	command *exec.Cmd
	done    chan struct{}
}

// PlayCoded plays virtual.Coded from frame 0 on, through the microphone's own format, so that it arrives bit by bit. It
// plays for the duration, and ends with the test at the latest.
func (m *Microphone) PlayCoded(seed uint64, rateHz, channels int, d time.Duration) *Player {
	tb := m.server.tb
	tb.Helper()
	frames := int(d.Seconds() * float64(rateHz))
	data := make([]byte, 0, frames*channels*2)
	for i := range frames {
		for c := range channels {
			data = binary.LittleEndian.AppendUint16(data, uint16(virtual.Coded(seed, uint64(i), c)))
		}
	}
	return m.PlayRaw(data, rateHz, channels)
}

// PlayRaw plays 16-bit frames.
func (m *Microphone) PlayRaw(data []byte, rateHz, channels int) *Player {
	tb := m.server.tb
	tb.Helper()
	return m.play(bytes.NewReader(data), "pacat", "--playback", "--raw", "--format=s16le", fmt.Sprintf("--rate=%d", rateHz),
		fmt.Sprintf("--channels=%d", channels), "--device="+m.Sink, "--latency-msec=200")
}

// PlayFile plays an audio file that libsndfile reads.
func (m *Microphone) PlayFile(path string) *Player {
	m.server.tb.Helper()
	return m.play(nil, "paplay", "--device="+m.Sink, path)
}

func (m *Microphone) play(in io.Reader, program string, args ...string) *Player {
	tb := m.server.tb
	tb.Helper()
	p := &Player{command: exec.Command(program, args...), done: make(chan struct{})}
	p.command.Env = m.server.Env()
	if in != nil {
		p.command.Stdin = in
	}
	if err := p.command.Start(); err != nil {
		tb.Fatalf("start %s: %v", program, err)
	}
	go func() { // ends with the process, which Close ends
		_ = p.command.Wait() // its outcome is the recorded sound
		close(p.done)
	}()
	tb.Cleanup(p.Close)
	return p
}

// Done returns a channel that is closed when everything was played.
func (p *Player) Done() <-chan struct{} { return p.done }

// Close ends playing. It may be called repeatedly.
func (p *Player) Close() {
	_ = p.command.Process.Kill() // it may be at its end
	<-p.done
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
