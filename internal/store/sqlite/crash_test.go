package sqlite_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
	"github.com/scout-speech/scout/internal/testrun"
)

// The test's own program runs again as a process of its own, with one of these tasks and its arguments.
const (
	childTask    = "SCOUT_STORE_TEST_TASK"
	childFigures = "figures"
	childWrite   = "write"
	childHold    = "hold"
	childPurge   = "purge"
)

func TestMain(m *testing.M) {
	task, arguments, is := strings.Cut(os.Getenv(childTask), "\n")
	if !is {
		os.Exit(testrun.Contain(m).Run())
	}
	if err := runTask(task, strings.Split(arguments, "\n")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runTask(task string, arguments []string) error {
	ctx := context.Background()
	switch task {
	case childFigures:
		requests, err := strconv.Atoi(arguments[1])
		if err != nil {
			return err
		}
		f, err := lookAround(ctx, arguments[0], filepath.Join(filepath.Dir(arguments[0]), "recordings"), requests)
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(f))
	case childWrite:
		return writeAndTell(ctx, arguments[0])
	case childPurge:
		return purgeAndDie(ctx, arguments[0], arguments[1], arguments[2])
	case childHold:
		if _, err := sqlite.Open(ctx, arguments[0], sqlite.Options{}); err != nil {
			return err
		}
		fmt.Println("open")
		select {} // until it is killed
	}
	return fmt.Errorf("no task %q", task)
}

type child struct {
	*exec.Cmd
	output io.ReadCloser
}

// startChild starts a task.
func startChild(t *testing.T, task string, arguments ...string) child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this program itself
	cmd.Env = append(os.Environ(), childTask+"="+strings.Join(append([]string{task}, arguments...), "\n"))
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return child{cmd, output}
}

// acknowledged is what a writer said after a commit: how many commits there were, and what they amount to.
type acknowledged struct {
	Commits int
	Events  uint64 // the last number of the live stream
	Version int    // the last version
	Text    string // of that version
	Label   string
	Found   int // recordings
}

const crashText = "the text that is edited"

// writeAndTell edits, labels and appends until it is killed, and says each commit on its output.
func writeAndTell(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	main, stream := store.MainKey(storetest.ID(0)), store.LiveStream(storetest.ID(0))
	transcript, err := s.Transcript(ctx, main, 0)
	if scout.CodeOf(err) == scout.CodeNotFound {
		err = put(ctx, s, 0, crashText, "and what stays")
		transcript.Version.Version = 1
	}
	if err != nil {
		return err
	}
	replay, err := s.Events(ctx, stream, 0, 1)
	if err != nil {
		return err
	}
	known, err := s.Sightings(ctx)
	if err != nil {
		return err
	}
	a := acknowledged{Events: replay.Last, Version: transcript.Version.Version, Found: len(known)}
	say := json.NewEncoder(os.Stdout)
	for ; ; a.Commits++ {
		n := rand.IntN(1 << 30)
		err := s.Update(ctx, func(tx store.Tx) error {
			last, err := tx.Append(stream, store.NewEvent{Type: "committed", Data: fmt.Appendf(nil, `{"n":%d}`, a.Events+1)})
			if err != nil || last != a.Events+1 {
				return errors.Join(err, fmt.Errorf("number %d after %d", last, a.Events))
			}
			a.Events = last
			if err := tx.SetCheckpoint(stream, fmt.Appendf(nil, `{"n":%d}`, last)); err != nil {
				return err
			}
			switch a.Commits % 3 {
			case 0:
				a.Text = fmt.Sprint("edited ", n)
				edited, err := tx.Edit(store.EditRequest{Key: main, Edits: []store.Edit{{Segment: 0, Text: a.Text}}})
				a.Version = edited.Version.Version
				return err
			case 1:
				a.Label = strconv.Itoa(n)
				_, err := tx.Describe(storetest.ID(0), store.Description{Labels: map[string]*string{"n": &a.Label}})
				return err
			}
			a.Found++
			_, err = tx.PutRecording(storetest.Recording(a.Found))
			return err
		})
		if err != nil {
			return err
		}
		if err := say.Encode(a); err != nil {
			return err
		}
	}
}

// After kill -9 at any moment every acknowledged change is there, at most the one that was under way is there unacknowledged,
// the database is sound, and the numbers of the journal have neither holes nor doubles.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	times := 12
	if n, err := strconv.Atoi(os.Getenv("SCOUT_STORE_KILLS")); err == nil {
		times = n
	}
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	commits := 0
	var last acknowledged
	for kill := range times {
		writer := startChild(t, childWrite, path)
		lines := bufio.NewScanner(writer.output)
		wanted := 1 + rand.IntN(30)
		var said acknowledged
		for n := 0; n < wanted && lines.Scan(); n++ {
			said = acknowledged{}
			if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
				t.Fatalf("kill %d: %q: %v", kill, lines.Text(), err)
			}
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) // somewhere within the next commits
		if err := writer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it had said before it died
			if json.Unmarshal(lines.Bytes(), &said) != nil {
				break // half a line
			}
		}
		_ = writer.Wait() // it was killed
		if said.Events == 0 {
			t.Fatalf("kill %d: the writer said nothing", kill)
		}
		if said.Text == "" {
			said.Text = last.Text
		}
		if said.Label == "" {
			said.Label = last.Label
		}
		last = said
		commits += said.Commits
		compare(t, path, said)
		if t.Failed() {
			t.Fatalf("after kill %d, acknowledged %+v", kill, said)
		}
	}
	t.Logf("killed %d times in %d commits", times, commits)
}

// compare opens the database after a crash.
func compare(t *testing.T, path string, said acknowledged) {
	t.Helper()
	checkSound(t, path)
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatalf("open after a crash: %v", err)
	}
	defer func() { _ = s.Close() }() // only read
	replay, err := s.Events(t.Context(), store.LiveStream(storetest.ID(0)), 0, 10_000)
	if err != nil || replay.Last < said.Events || replay.Last > said.Events+1 || len(replay.Events) != int(replay.Last) { //nolint:gosec // a small number
		t.Errorf("%d events up to %d, acknowledged up to %d: %v", len(replay.Events), replay.Last, said.Events, err)
	}
	for i, e := range replay.Events {
		if e.Seq != uint64(i+1) || string(e.Data) != fmt.Sprintf(`{"n":%d}`, i+1) { //nolint:gosec // a small number
			t.Fatalf("event %d is %d %s", i+1, e.Seq, e.Data)
		}
	}
	live, err := s.LiveSessions(t.Context())
	if err != nil || len(live) != 1 || live[0].Last != replay.Last || string(live[0].Checkpoint) != fmt.Sprintf(`{"n":%d}`, replay.Last) {
		t.Errorf("live sessions %+v, %v, the last event is %d", live, err, replay.Last)
	}
	oneMore := replay.Last == said.Events+1
	text, err := s.Transcript(t.Context(), store.MainKey(storetest.ID(0)), 0)
	if err != nil || text.Version.Version < said.Version || !oneMore && text.Version.Version != said.Version {
		t.Errorf("version %d, acknowledged %d: %v", text.Version.Version, said.Version, err)
	}
	if said.Text != "" {
		old, err := s.Transcript(t.Context(), store.MainKey(storetest.ID(0)), said.Version)
		if err != nil || old.Segments[0].Text != said.Text || old.Segments[1].Text != "and what stays" {
			t.Errorf("version %d says %+v, acknowledged %q: %v", said.Version, old.Segments, said.Text, err)
		}
	}
	r, err := s.Recording(t.Context(), storetest.ID(0))
	if err != nil || said.Label != "" && !oneMore && r.Labels["n"] != said.Label {
		t.Errorf("label %q, acknowledged %q: %v", r.Labels["n"], said.Label, err)
	}
	known, err := s.Sightings(t.Context())
	if err != nil || len(known) < said.Found || len(known) > said.Found+1 {
		t.Errorf("%d recordings, acknowledged %d: %v", len(known), said.Found, err)
	}
}

func TestLockEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	holder := startChild(t, childHold, path)
	if line, err := bufio.NewReader(holder.output).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	wantCode(t, err, scout.CodeStoreLocked)
	if _, err := sqlite.CheckFile(t.Context(), path); err != nil {
		t.Errorf("looking needs no lock: %v", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed
	open(t, path, sqlite.Options{})
}
