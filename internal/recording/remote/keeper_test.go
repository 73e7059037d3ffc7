package remote_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	look := func() health.Component {
		return health.Run(t.Context(), []health.Check{remote.Check(dir)}, time.Now)[0]
	}
	if got := look(); got.Status != health.Healthy {
		t.Errorf("without recorder: %+v", got)
	}
	c := owner(t, dir)
	id := recording.NewID(time.Now())
	_, err := c.Start(t.Context(), start(id))
	check(t, err)
	if got := look(); got.Status != health.Healthy || got.Metadata["sample_rate"] != "16000" || got.Metadata["channels"] != "1" {
		t.Errorf("while recording: %+v", got)
	}
	_, err = c.Stop(t.Context(), id)
	check(t, err)
}

func TestAKeeperReplacesARecorderThatDied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := open(t, dir)
	k, started, err := remote.Keep(t.Context(), folder, launch(dir), start(""), observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	until(t, k.Client(), 2000)
	first := k.Client()
	check(t, syscall.Kill(first.PID(), syscall.SIGKILL))
	for k.Client() == first {
		time.Sleep(5 * time.Millisecond) // the keeper works by itself
	}
	s, err := k.Client().Status(t.Context())
	check(t, err)
	until(t, k.Client(), s.Recording.Written+2000)
	m, err := k.Stop(t.Context())
	check(t, err)
	if m.ID != started.ID || m.State != recording.StateFinished || m.Resumed != 1 || len(m.Gaps) != 1 {
		t.Errorf("manifest %+v", m)
	}
	if _, err := folder.Verify(m.ID); err != nil {
		t.Error(err)
	}
}

// said is closed by the first line of a log that holds the text.
type said struct {
	text string
	once sync.Once
	now  chan struct{}
}

func (s *said) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(s.text)) {
		s.once.Do(func() { close(s.now) })
	}
	return len(line), nil
}

// The recorder dies while an installation has removed its program and not yet installed the next version: the keeper waits.
func TestAKeeperWaitsForAProgramThatIsBeingReplaced(t *testing.T) {
	t.Parallel()
	dir, program := t.TempDir(), filepath.Join(t.TempDir(), "scout-recorder")
	self, err := filepath.Abs(os.Args[0])
	check(t, err)
	check(t, os.Symlink(self, program))
	options := launch(dir)
	options.Program = program
	missing := &said{text: string(scout.CodeRecorderMissing), now: make(chan struct{})}
	scope := observe.NewScope(observe.NewLogger(missing, observe.LogText, slog.LevelInfo), nil, nil)
	k, _, err := remote.Keep(t.Context(), open(t, dir), options, start(""), scope)
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	until(t, k.Client(), 2000)
	check(t, os.Remove(program))
	first := k.Client()
	check(t, syscall.Kill(first.PID(), syscall.SIGKILL))
	<-missing.now // it tried
	select {
	case <-k.Ended():
		t.Fatal("it gave up")
	default:
	}
	check(t, os.Symlink(self, program))
	for k.Client() == first {
		time.Sleep(5 * time.Millisecond) // the keeper works by itself
	}
	m, err := k.Stop(t.Context())
	check(t, err)
	if m.State != recording.StateFinished || m.Resumed != 1 {
		t.Errorf("manifest %+v", m)
	}
}

func TestAKeeperThatLeavesEndsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, started, err := remote.Keep(t.Context(), open(t, dir), launch(dir), start(""), observe.Scope{})
	check(t, err)
	check(t, k.Leave())
	c := owner(t, dir)
	until(t, c, 4000)
	m, err := c.Stop(t.Context(), started.ID)
	check(t, err)
	checkCoded(t, open(t, dir), m)
	check(t, c.Close())
}

func TestAStopSurvivesTheDeathOfTheRecorder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, _, err := remote.Keep(t.Context(), open(t, dir), launch(dir), start(""), observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	until(t, k.Client(), 2000)
	pid := k.Client().PID()
	testrun.Suspend(t, pid) // it takes the stop and cannot answer
	time.AfterFunc(50*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	m, err := k.Stop(t.Context())
	check(t, err)
	if m.State != recording.StateRecovered && m.State != recording.StateFinished {
		t.Errorf("manifest %+v", m)
	}
	checkCoded(t, open(t, dir), m)
}

func readLog(t *testing.T, dir string) string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dir, remote.LogName))
	check(t, err)
	return string(log)
}
