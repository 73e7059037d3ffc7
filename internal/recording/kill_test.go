package recording_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
	"github.com/scout-speech/scout/internal/testrun"
)

// childVariable makes this test binary record into the folder that it names, until it is killed.
const childVariable = "SCOUT_TEST_RECORD_INTO"

// killsVariable is how many recorders are killed; 8 unless set. The figure of 100 is made with
//
//	SCOUT_TEST_KILLS=100 go test -run KillNine -v ./internal/recording
const killsVariable = "SCOUT_TEST_KILLS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Fprintln(os.Stderr, "recorder for a test:", recordUntilKilled(dir))
		os.Exit(1)
	}
	suite := testrun.Contain(m)
	testrun.Beside(6)
	os.Exit(suite.Run())
}

var studio = scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleS16}

// recordUntilKilled records a coded signal that a device of 10 ms blocks delivers in real time. How
// many frames it delivered stands in a file that is shared memory, and so survives the process.
func recordUntilKilled(dir string) error {
	shared, err := os.OpenFile(filepath.Join(dir, ".delivered"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	delivered, err := unix.Mmap(int(shared.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	folder, err := recording.OpenFolder(dir)
	if err != nil {
		return err
	}
	w, err := folder.Create(recording.Settings{Format: studio, StartedAt: time.Now()})
	if err != nil {
		return err
	}
	r, err := ring.New(ring.Options{FrameBytes: studio.FrameBytes(), Frames: 60 * studio.SampleRateHz})
	if err != nil {
		return err
	}
	pump := recording.NewPump(r, w, recording.PumpOptions{})
	done := make(chan error, 1)
	go func() { // ends with the process
		_, err := pump.Run(context.Background())
		done <- err
	}()
	block := make([]byte, 480*studio.FrameBytes())
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		for uint64(r.Head()) < studio.Frames(time.Since(began)) {
			recordingtest.Coded(block, studio.FrameBytes(), uint64(r.Head()))
			r.Write(block)
			binary.NativeEndian.PutUint64(delivered, uint64(r.Head()))
		}
		select {
		case err := <-done:
			return err
		default:
		}
	}
}

// After kill -9 another program can open the file at once. It is bit-exact to its end and lacks at most 250 ms of what the device had
// delivered.
func TestAfterKillNine(t *testing.T) {
	t.Parallel()
	kills := 8
	if n, err := strconv.Atoi(os.Getenv(killsVariable)); err == nil {
		kills = n
	}
	var mu sync.Mutex
	var missing []time.Duration
	slots := make(chan struct{}, 4)
	t.Run("kill", func(t *testing.T) {
		for i := range kills {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				lacks := killRecorder(t, rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i))))
				mu.Lock()
				defer mu.Unlock()
				missing = append(missing, lacks)
			})
		}
	})
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Logf("kill -9 at %d random moments: missing p50 %s, most %s", len(missing), missing[len(missing)/2], missing[len(missing)-1])
	}
}

// killRecorder kills a recorder at a random moment and returns how much of what the device had
// delivered other programs do not find in its file.
func killRecorder(t *testing.T, random *rand.Rand) time.Duration {
	t.Helper()
	folder, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(folder.Dir(), ".delivered")
	restoreFile(t, shared, make([]byte, 8))
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childVariable+"="+folder.Dir())
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	delivered := func() uint64 { return binary.NativeEndian.Uint64(readFile(t, shared)) }
	for delivered() == 0 {
		time.Sleep(time.Millisecond) // the child is a process of its own: nothing here can wake us
	}
	time.Sleep(time.Duration(random.Int64N(int64(1000 * time.Millisecond))))
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed: that is what it says
	came := delivered()

	list, problems, err := folder.List()
	if err != nil || len(list) != 1 || len(problems) != 0 || list[0].State != recording.StateRecording {
		t.Fatalf("in the folder: %+v, %v, %v", list, problems, err)
	}
	path := folder.AudioPath(list[0].ID)
	size := studio.FrameBytes()
	shown := claimed(t, path)
	if got := ffprobe(t, path); shown > 0 && got != fmt.Sprintf("pcm_s16le,48000,1,%d", shown) {
		t.Errorf("ffprobe says %s", got)
	}
	data := audio(t, folder, list[0].ID)
	if at, differs := recordingtest.FirstDifference(data, size, 0); differs {
		t.Errorf("frame %d of %d is not what was recorded there", at, len(data)/size)
	}
	if uint64(len(data)/size) < shown {
		t.Errorf("header claims %d frames of %d", shown, len(data)/size)
	}
	lacks := studio.Duration(came - min(shown, came))
	if lacks > 250*time.Millisecond {
		t.Errorf("%s of %s are missing", lacks, studio.Duration(came))
	}

	report := repair(t, folder)
	if len(report.Repaired) != 1 {
		t.Fatalf("repair: %+v", report)
	}
	m, err := folder.Verify(list[0].ID)
	if err != nil || m.Frames != uint64(len(data)/size) || m.State != recording.StateRecovered {
		t.Errorf("after repair: %+v, %v", m, err)
	}
	if got := ffprobe(t, path); m.Frames > 0 && !strings.HasSuffix(got, fmt.Sprintf(",%d", m.Frames)) {
		t.Errorf("after repair ffprobe says %s, want %d frames", got, m.Frames)
	}
	return lacks
}
