package remote_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/recorder/parent"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/testrun"
)

// What this test binary is when it is not the test: a recorder, or a program that starts one, begins a
// recording and waits to be killed.
const (
	recorderVariable = "SCOUT_TEST_RECORDER_IN"
	parentVariable   = "SCOUT_TEST_RECORDER_HAS_PARENT"
	starterVariable  = "SCOUT_TEST_STARTER_IN"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(recorderVariable); dir != "" {
		if os.Getenv(parentVariable) == "" {
			exit(runRecorder(dir, nil))
		}
		options := parent.Options{Dir: dir, ParentArgs: os.Args[1:], ChildArgs: os.Args[1:], Log: func() *slog.Logger {
			return observe.NewLogger(os.Stderr, observe.LogText, slog.LevelInfo)
		}}
		link, above := parent.Begin(options)
		signal.Ignore(syscall.SIGQUIT, syscall.SIGHUP) // as scout-recorder does
		if above != nil {
			os.Exit(above.Run())
		}
		exit(runRecorder(dir, link))
	}
	if dir := os.Getenv(starterVariable); dir != "" {
		exit(runStarter(dir))
	}
	suite := testrun.Contain(m)
	testrun.Beside(6)
	os.Exit(suite.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runRecorder(dir string, link *parent.Link) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	environment := recording.EnvironmentOf(os.Environ())
	environment.LogLevel, environment.LogFormat = "info", "text"
	return recorder.Run(ctx, recorder.Options{
		Dir: dir, IdleFor: 2 * time.Second, Parent: link, Environment: environment,
		Scope: observe.NewScope(observe.NewLogger(os.Stderr, observe.LogText, slog.LevelInfo), nil, nil),
	})
}

// runStarter prints the id of its recording, then does nothing until it is killed.
func runStarter(dir string) error {
	c, launched, err := remote.Attach(context.Background(), dir, launch(dir))
	if err != nil {
		return err
	}
	id := recording.NewID(time.Now())
	if _, err := c.Start(context.Background(), start(id)); err != nil {
		return err
	}
	fmt.Println(id, c.PID(), launched)
	select {}
}

func launch(dir string) remote.LaunchOptions {
	return remote.LaunchOptions{
		Options: remote.Options{Name: "test"},
		Program: os.Args[0], Args: []string{"-test.run=^$"},
		Env: append(os.Environ(), recorderVariable+"="+dir, starterVariable+"="),
	}
}

// launchFamily starts a recorder with a parent.
func launchFamily(dir string) remote.LaunchOptions {
	options := launch(dir)
	options.Env = append(options.Env, parentVariable+"=1")
	return options
}

const seed = 7

var speech = scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}

func start(id recording.ID) recording.Order {
	return recording.Order{ID: id, Format: speech, Device: "signal:7?rate=16000", Preroll: -1}
}

// owner attaches to the recorder of the folder, starting one if need be, and ends it with the test.
func owner(t *testing.T, dir string) *remote.Client {
	t.Helper()
	c, _, err := remote.Attach(t.Context(), dir, launch(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endRecorder(t, dir) })
	return c
}

// endRecorder makes the recorder of the folder end and waits for it.
func endRecorder(t *testing.T, dir string) {
	t.Helper()
	if t.Failed() {
		if log, err := os.ReadFile(filepath.Join(dir, remote.LogName)); err == nil {
			t.Logf("the recorder says: %s", log)
		}
	}
	if c, err := remote.Dial(context.Background(), dir, remote.Options{}); err == nil { // else it ended already
		if err := c.Shutdown(context.Background()); err != nil && scout.CodeOf(err) != scout.CodeRecorderUnreachable { // it was ending
			t.Error(err)
		}
		<-c.Done()
	}
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(5 * time.Millisecond) {
		if _, held := recording.Holder(dir); !held && !recording.HasParent(dir) {
			return // its last files are gone when its lock is
		}
	}
	t.Errorf("a recorder stays in %s", dir)
}

func open(t *testing.T, dir string) *recording.Folder {
	t.Helper()
	folder, err := recording.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// until waits until so many frames are written.
func until(t *testing.T, c *remote.Client, frames uint64) {
	t.Helper()
	for {
		s, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Recording != nil && s.Recording.Written >= frames {
			return
		}
		time.Sleep(2 * time.Millisecond) // the state is what is tested, nothing announces it
	}
}

func TestTheNextOwnerGoesOnWhenTheFirstIsKilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kill func(*testing.T, *exec.Cmd)
	}{
		{"kill -9", func(t *testing.T, p *exec.Cmd) { check(t, p.Process.Kill()) }},
		{"Ctrl-C, which goes to its whole process group", func(t *testing.T, p *exec.Cmd) { check(t, syscall.Kill(-p.Process.Pid, syscall.SIGINT)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			starter := exec.Command(os.Args[0], "-test.run=^$")
			starter.Env = append(os.Environ(), starterVariable+"="+dir)
			starter.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			out, err := starter.StdoutPipe()
			check(t, err)
			check(t, starter.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			check(t, err)
			var id recording.ID
			var pid int
			var launched bool
			if _, err := fmt.Sscan(line, &id, &pid, &launched); err != nil || !launched {
				t.Fatalf("the starter says %q: %v", line, err)
			}
			c.kill(t, starter)
			_ = starter.Wait() // it was killed: that is what it says

			next := owner(t, dir)
			if next.PID() != pid {
				t.Errorf("attached to recorder %d, want %d", next.PID(), pid)
			}
			s, err := next.Status(t.Context())
			check(t, err)
			if s.Recording == nil || s.Recording.ID != id {
				t.Fatalf("state %+v", s)
			}
			until(t, next, s.Recording.Written+8000)
			m, err := next.Stop(t.Context(), id)
			check(t, err)
			if len(m.Gaps) != 0 || m.Resumed != 0 {
				t.Errorf("manifest %+v", m)
			}
			checkCoded(t, open(t, dir), m)
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkCoded holds a recording without gaps against what the device delivered.
func checkCoded(t *testing.T, folder *recording.Folder, m recording.Manifest) {
	t.Helper()
	content, err := os.ReadFile(folder.AudioPath(m.ID))
	check(t, err)
	content = content[recording.HeaderBytes:]
	for i := range m.Frames {
		if got := int16(binary.LittleEndian.Uint16(content[2*i:])); got != virtual.Coded(seed, i, 0) {
			t.Fatalf("frame %d of %d is not what the device delivered there", i, m.Frames)
		}
	}
	if _, err := folder.Verify(m.ID); err != nil {
		t.Error(err)
	}
}

func TestSeveralLaunchesLeaveOneRecorder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	var launched int
	pids := make(map[int]bool)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			c, first, err := remote.Attach(t.Context(), dir, launch(dir))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			pids[c.PID()] = true
			if first {
				launched++
			}
			mu.Unlock()
			check(t, c.Close())
		})
	}
	wait.Wait()
	if len(pids) != 1 || launched != 1 {
		t.Errorf("recorders %v, %d launched by who got it", pids, launched)
	}
	endRecorder(t, dir)
}

func TestAFailedLaunchGivesItsReason(t *testing.T) {
	t.Parallel()
	notRunnable := filepath.Join(t.TempDir(), "scout-recorder")
	check(t, os.WriteFile(notRunnable, nil, 0o600))
	for _, c := range []struct {
		name    string
		program string
		args    []string
		code    scout.Code
		want    string
	}{
		{"no such program", "/does/not/exist", nil, scout.CodeRecorderMissing, "/does/not/exist not found"},
		{"a program that cannot be run", notRunnable, nil, scout.CodeRecorderMissing, "cannot be run"},
		{"a program that ends", "/bin/sh", []string{"-c", "echo the microphone is on fire >&2; exit 3"}, scout.CodeRecorderStart, "on fire"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := remote.Attach(t.Context(), t.TempDir(), remote.LaunchOptions{Program: c.program, Args: c.args})
			if scout.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Attach = %v (%s), want %s that tells %q", err, scout.CodeOf(err), c.code, c.want)
			}
		})
	}
}

func TestAStaleEndpointIsNoRecorder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, content := range []string{"", "{", `{"socket":"relative"}`, `{"protocol":1,"pid":1,"socket":"` + filepath.Join(dir, "gone.sock") + `"}`} {
		check(t, os.WriteFile(filepath.Join(dir, wire.EndpointName), []byte(content), 0o600))
		if _, err := remote.Dial(t.Context(), dir, remote.Options{}); scout.CodeOf(err) != scout.CodeRecorderUnreachable {
			t.Errorf("endpoint %q: %v", content, err)
		}
	}
	c := owner(t, dir) // and is replaced by one that lives
	check(t, c.Close())
}

// followKills is how many recorders are killed under followers; 3 unless set.
const followKills = "SCOUT_TEST_FOLLOW_KILLS"

// TestFollowGoesOnThroughRestartsOfEitherSide kills recorders while a recording is followed, resumes
// it each time, and starts the follower again each time as well: every frame comes once, and is the
// one in the file.
func TestFollowGoesOnThroughRestartsOfEitherSide(t *testing.T) {
	t.Parallel()
	kills := 3
	if n, err := strconv.Atoi(os.Getenv(followKills)); err == nil {
		kills = n
	}
	dir := t.TempDir()
	id := recording.NewID(time.Now())
	c := owner(t, dir)
	if _, err := c.Start(t.Context(), start(id)); err != nil {
		t.Fatal(err)
	}
	folder := open(t, dir)
	heard := make(chan []byte, 1)
	go func() { heard <- followInPieces(t, folder, id) }() // ends with the recording
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range kills {
		s, err := c.Status(t.Context())
		check(t, err)
		until(t, c, s.Recording.Written+1)                                      // else two gaps become one
		time.Sleep(time.Duration(random.Int64N(int64(500 * time.Millisecond)))) // a random moment is what is asked for
		check(t, syscall.Kill(c.PID(), syscall.SIGKILL))
		<-c.Done()
		began := time.Now()
		c, _, err = remote.Attach(t.Context(), dir, launch(dir))
		check(t, err)
		_, err = c.Resume(t.Context(), start(id))
		check(t, err)
		t.Logf("recording again %s after the kill", time.Since(began).Round(time.Millisecond))
	}
	s, err := c.Status(t.Context())
	check(t, err)
	until(t, c, s.Recording.Written+4000)
	m, err := c.Stop(t.Context(), id)
	check(t, err)
	got := <-heard
	content, err := os.ReadFile(folder.AudioPath(id))
	check(t, err)
	if !bytes.Equal(got, content[recording.HeaderBytes:]) {
		t.Errorf("heard %d bytes, the file has %d, or they differ", len(got), len(content)-recording.HeaderBytes)
	}
	if m.Resumed != kills || len(m.Gaps) != kills {
		t.Errorf("manifest %+v", m)
	}
	if _, err := folder.Verify(id); err != nil {
		t.Error(err)
	}
}

// followInPieces follows a recording with a follower that is replaced every 100 ms or so.
func followInPieces(t *testing.T, folder *recording.Folder, id recording.ID) (heard []byte) {
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for {
		f, err := folder.Follow(id, recording.FollowOptions{From: scout.Position(len(heard) / 2), Live: remote.Live{Dir: folder.Dir(), Name: "test"}, Poll: 20 * time.Millisecond})
		if err != nil {
			t.Error(err)
			return heard
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int64N(int64(200*time.Millisecond))))
		for {
			block, nextErr := f.Next(ctx)
			if nextErr != nil {
				err = nextErr
				break
			}
			if block.Position != scout.Position(len(heard)/2) {
				t.Errorf("frames at %d, want %d", block.Position, len(heard)/2)
			}
			heard = append(heard, block.Frames...)
		}
		cancel()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if errors.Is(err, io.EOF) {
			return heard
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
			return heard
		}
	}
}
