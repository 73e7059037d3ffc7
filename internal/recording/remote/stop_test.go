package remote_test

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/testrun"
)

// stopping is a recording that something happens to before it is stopped.
type stopping struct {
	dir     string
	program string // a link to the recorder's program
	keeper  *remote.Keeper
	pid     int
}

func (s *stopping) kill(t *testing.T) {
	t.Helper()
	check(t, syscall.Kill(s.pid, syscall.SIGKILL))
	<-s.keeper.Client().Done()
}

// removeSocket removes the socket of a recorder, which lies elsewhere if the path of the folder is long.
func removeSocket(t *testing.T, dir string) {
	t.Helper()
	endpoint, err := wire.ReadEndpoint(dir)
	check(t, err)
	check(t, os.Remove(endpoint.Socket))
}

// A stop returns whatever happened to the recorder, and the recorded audio can be played.
func TestStopAlwaysStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		harm func(*testing.T, *stopping)
		// code is that of the error beside the manifest; empty for none.
		code scout.Code
		// family is whether the recorder has a parent.
		family bool
		// crashed is whether the recording may end as one that was cut short.
		crashed bool
	}{
		{"nothing", func(*testing.T, *stopping) {}, "", true, false},
		{"the recorder died", func(t *testing.T, s *stopping) { s.kill(t) }, "", true, true},
		{"the recorder died, and has no parent", func(t *testing.T, s *stopping) { s.kill(t) }, "", false, true},
		{"the recorder died, and its program is gone", func(t *testing.T, s *stopping) {
			check(t, os.Remove(s.program))
			s.kill(t)
		}, scout.CodeRecorderMissing, false, true},
		{"the recorder hangs", func(t *testing.T, s *stopping) { testrun.Suspend(t, s.pid) }, scout.CodeRecorderUnreachable, true, true},
		{"the recorder hangs, and its program is gone", func(t *testing.T, s *stopping) {
			check(t, os.Remove(s.program))
			testrun.Suspend(t, s.pid)
		}, scout.CodeRecorderUnreachable, false, true},
		{"the socket is gone", func(t *testing.T, s *stopping) { removeSocket(t, s.dir) }, "", true, false},
		{"socket and endpoint are gone", func(t *testing.T, s *stopping) {
			removeSocket(t, s.dir)
			check(t, os.Remove(filepath.Join(s.dir, wire.EndpointName)))
		}, "", true, false},
	} {
		for _, by := range []string{"by its owner", "by another program"} {
			t.Run(c.name+", "+by, func(t *testing.T) {
				t.Parallel()
				s := &stopping{dir: t.TempDir(), program: filepath.Join(t.TempDir(), "scout-recorder")}
				self, err := filepath.Abs(os.Args[0])
				check(t, err)
				check(t, os.Symlink(self, s.program))
				options := launch(s.dir)
				if c.family {
					options = launchFamily(s.dir)
				}
				options.Program = s.program
				s.keeper, _, err = remote.Keep(t.Context(), open(t, s.dir), options, start(""), observe.Scope{})
				check(t, err)
				t.Cleanup(func() { endRecorder(t, s.dir) })
				until(t, s.keeper.Client(), 4000)
				s.pid = s.keeper.Client().PID()
				stop := s.keeper.Stop
				if by != "by its owner" {
					check(t, s.keeper.Leave())
					s.harmAlone(t, c.harm)
					m, err := remote.Stop(t.Context(), open(t, s.dir), options)
					s.checkStopped(t, m, err, c.code, c.crashed)
					return
				}
				c.harm(t, s)
				m, err := stop(t.Context())
				s.checkStopped(t, m, err, c.code, c.crashed)
			})
		}
	}
}

// harmAlone lets it happen while nobody is attached.
func (s *stopping) harmAlone(t *testing.T, harm func(*testing.T, *stopping)) {
	t.Helper()
	k, err := remote.Watch(t.Context(), open(t, s.dir), remote.Options{Name: "witness"}, "", observe.Scope{})
	check(t, err)
	s.keeper = k
	harm(t, s)
	check(t, k.Leave())
}

func (s *stopping) checkStopped(t *testing.T, m recording.Manifest, err error, code scout.Code, crashed bool) {
	t.Helper()
	if scout.CodeOf(err) != code && (code != "" || err != nil) {
		t.Errorf("stop: %v (%s), want %q", err, scout.CodeOf(err), code)
	}
	ended := m.State == recording.StateFinished || crashed && m.State == recording.StateRecovered
	if m.ID == "" || !ended || m.Frames < 4000 {
		t.Fatalf("manifest %+v, %v", m, err)
	}
	folder := open(t, s.dir)
	if _, err := folder.Verify(m.ID); err != nil {
		t.Error(err)
	}
	on, err := folder.Manifest(m.ID)
	if err != nil || on.State != m.State {
		t.Errorf("on disk: %+v, %v", on, err)
	}
}

func TestStopsAtTheSameTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, started, err := remote.Keep(t.Context(), open(t, dir), launchFamily(dir), start(""), observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	until(t, k.Client(), 2000)
	sums := make([]string, 4)
	var wait sync.WaitGroup
	for i := range sums {
		c, err := remote.Dial(t.Context(), dir, remote.Options{Name: "test"})
		check(t, err)
		wait.Go(func() {
			m, err := c.Stop(t.Context(), started.ID)
			if err != nil {
				t.Error(err)
			}
			sums[i] = m.SHA256
			check(t, c.Close())
		})
	}
	m, err := k.Stop(t.Context())
	check(t, err)
	wait.Wait()
	for _, sum := range sums {
		if sum != m.SHA256 || sum == "" {
			t.Errorf("checksums %v, want %s", sums, m.SHA256)
		}
	}
}

// A stop that comes after the end of the recording reports how the last one ended.
func TestAStopWithoutARecordingNamesTheLastOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	order := start("")
	order.Rules.MaxDuration = 200 * time.Millisecond
	k, _, err := remote.Keep(t.Context(), open(t, dir), launchFamily(dir), order, observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	<-k.Ended()
	check(t, k.Leave())
	m, err := remote.Stop(t.Context(), open(t, dir), launchFamily(dir))
	if m.ID != "" || scout.CodeOf(err) != scout.CodeNotRecording {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, want := range []string{string(k.ID()), "max duration", "0ms long"} {
		if !contains(err.Error(), want) {
			t.Errorf("%q does not tell %q", err, want)
		}
	}
	if hint := scout.HintOf(err); !contains(hint, string(k.ID())+".wav") {
		t.Errorf("hint %q", hint)
	}
}

// A recorder dies after a client has connected and before it answers the first request, and its successor is there at once. A stop must
// ask the successor; it must not take it for a recorder without a socket and end the process.
func TestAStopWhoseRecorderDiesBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, started, err := remote.Keep(t.Context(), open(t, dir), launchFamily(dir), start(""), observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	until(t, k.Client(), 2000)
	check(t, k.Leave())
	hangsUpOnce(t, dir)
	m, err := remote.Stop(t.Context(), open(t, dir), launchFamily(dir))
	check(t, err)
	if m.ID != started.ID || m.EndReason != recording.EndStopped || len(m.Gaps) != 0 {
		t.Errorf("manifest %+v", m)
	}
}

// hangsUpOnce puts itself between the recorder of the folder and its next client: it passes the greetings on and hangs up at the
// client's first question. The client after that meets the recorder itself.
func hangsUpOnce(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, wire.EndpointName)
	real, err := os.ReadFile(path)
	check(t, err)
	endpoint, err := wire.ReadEndpoint(dir)
	check(t, err)
	folder, err := os.MkdirTemp("", "s") //nolint:usetesting // the path of a socket is short
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(folder)) })
	listener, err := net.Listen("unix", filepath.Join(folder, "s"))
	check(t, err)
	between := endpoint
	between.Socket = listener.Addr().String()
	content, err := json.Marshal(between)
	check(t, err)
	check(t, os.WriteFile(path, content, 0o600))
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() { // ends with the first client
		defer close(done)
		defer func() { _ = listener.Close() }() // the test is over
		client, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		recorder, err := net.Dial("unix", endpoint.Socket)
		if err != nil {
			t.Error(err)
			return
		}
		var answers sync.WaitGroup
		answers.Go(func() { _, _ = io.Copy(client, recorder) }) // ends when the recorder's end is closed
		buffer := make([]byte, 1<<16)
		n, err := client.Read(buffer)
		if err == nil {
			_, err = recorder.Write(buffer[:n])
		}
		if err == nil {
			_, err = client.Read(buffer) // the question
		}
		if err != nil {
			t.Errorf("between client and recorder: %v", err)
		}
		if err := os.WriteFile(path, real, 0o600); err != nil {
			t.Error(err)
		}
		_, _ = recorder.Close(), client.Close() // as a process that is killed
		answers.Wait()
	}()
}
