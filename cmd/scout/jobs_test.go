//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// recorded makes a recording of the clip, so many times in a row, and returns its id.
func (h *house) recorded(times int) string {
	h.t.Helper()
	clip, err := os.ReadFile("../../testdata/jfk.wav")
	if err != nil {
		h.t.Fatal(err)
	}
	samples := clip[bytes.Index(clip, []byte("data"))+8:]
	w, err := h.folder().Create(recording.Settings{Format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}, StartedAt: time.Now()})
	if err != nil {
		h.t.Fatal(err)
	}
	for range times {
		if _, err := w.Write(samples); err != nil {
			h.t.Fatal(err)
		}
	}
	if _, err := w.Finish(recording.End{Reason: recording.EndStopped}); err != nil {
		h.t.Fatal(err)
	}
	return string(w.ID())
}

// job returns a job.
func (h *house) job(id string) (j v1.Job) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.must("jobs", "show", id, "--json").out), &j); err != nil {
		h.t.Fatal(err)
	}
	return j
}

func (h *house) addJob(args ...string) string {
	h.t.Helper()
	return strings.TrimSpace(h.must(append([]string{"jobs", "add"}, args...)...).out)
}

// A recording gets its text from a job, once, and the commands tell what becomes of it.
func TestAJobMakesTheTextOfARecording(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	recording := h.recorded(1)
	if got := h.must("jobs", "pause", "--all").out; got != "no further job will start\n" {
		t.Errorf("pause: %q", got)
	}
	added := h.must("jobs", "add", recording)
	id := strings.TrimSpace(added.out)
	if !strings.Contains(added.err, "held back") {
		t.Errorf("nothing says that the job does not begin: %q", added.err)
	}
	if again := h.addJob(recording[len(recording)-12:]); again != id {
		t.Errorf("the same work is job %s, want %s", again, id)
	}
	if got := h.must("jobs", "list"); !strings.Contains(got.out, id) || !strings.Contains(got.out, "queued") || !strings.Contains(got.err, "held back") || strings.Contains(got.out, "number 1") {
		t.Errorf("list:\n%s%s", got.out, got.err)
	}
	if j := h.job(id); j.State != "queued" || j.Position != 1 {
		t.Errorf("job %+v, want the first of the line", j)
	}
	if got := h.must("jobs", "show", id); strings.Contains(got.out, "number 1") || !strings.Contains(got.err, "held back") {
		t.Errorf("show:\n%s%s", got.out, got.err)
	}
	if got := h.must("jobs", "resume", "--all").out; got != "jobs start again\n" {
		t.Errorf("resume: %q", got)
	}
	if got := h.must("jobs", "wait", id); !strings.Contains(got.out, "succeeded") {
		t.Errorf("wait:\n%s", got.out)
	}
	if got := h.must("transcripts", "show", recording).out; !strings.Contains(strings.ToLower(got), "ask not what your country") {
		t.Errorf("text %q", got)
	}
	if got := h.must("jobs", "add", recording); strings.TrimSpace(got.out) != id || !strings.Contains(got.err, "--force") {
		t.Errorf("add once more: %q %q", got.out, got.err)
	}
	if n := h.versions(recording); n != 1 {
		t.Errorf("%d versions, want 1", n)
	}
	h.must("jobs", "wait", h.addJob("--force", recording))
	if n := h.versions(recording); n != 2 {
		t.Errorf("%d versions after a job that was forced, want 2", n)
	}
	health, _ := h.component("queue")
	if health.Status != "Healthy" {
		t.Errorf("queue: %+v", health)
	}
	metrics := h.fetch("/metrics")
	for _, want := range []string{
		`scout_transcription_queue_size{kind="transcribe",process="daemon",state="queued"} 0`, `scout_queue_oldest_seconds{kind="transcribe",process="daemon"} 0`,
		`scout_jobs_total{kind="transcribe",outcome="succeeded",process="daemon"} 2`, `scout_queue_wait_seconds_count{kind="transcribe",process="daemon"} 2`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if got := h.run("jobs", "add", "--model", "none", recording); got.code != 1 || !strings.Contains(got.err, "none") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	if got := h.run("jobs", "cancel", id); got.code != 1 || !strings.Contains(got.err, "succeeded") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	h.must("jobs", "forget", id)
}

// What has ended without a text says so: when the job is waited for, and when the same work is asked for again.
func TestAJobThatMakesNoText(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	wrong := v1.Error{Code: scout.CodeInvalidArgument, Message: "the model refuses it", Hint: "use another model"}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // what a daemon says of such jobs
		j := v1.Job{ID: "job_dead", State: "dead", Error: &wrong}
		switch {
		case strings.HasSuffix(r.URL.Path, "/version"):
			_, _ = w.Write([]byte(`{"api":1}`))
			return
		case strings.Contains(r.URL.Path, "cancelled") || r.Header.Get("Authorization") == "Bearer cancelled":
			j = v1.Job{ID: "job_cancelled", State: "cancelled"}
		}
		data, err := json.Marshal(j)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(data)
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there at once
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }() // ended by Close
	defer func() {
		if err := errors.Join(server.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	at := "http://" + listener.Addr().String()
	for state, want := range map[string]string{"dead": "the model refuses it", "cancelled": "was cancelled"} {
		if got := h.run("jobs", "wait", "job_"+state, "--server", at, "--key", "any"); got.code != 1 || !strings.Contains(got.err, want) || !strings.Contains(got.out, state) {
			t.Errorf("wait: exit %d, want 1: %s%s", got.code, got.out, got.err)
		}
		got := h.run("jobs", "add", "7f3a9c2e41d0", "--server", at, "--key", state)
		if got.code != 0 || got.out != "job_"+state+"\n" || !strings.Contains(got.err, "scout jobs retry job_"+state) {
			t.Errorf("add: exit %d, want what to do: %s%s", got.code, got.out, got.err)
		}
	}
}

// A terminal shows what becomes of a job that is waited for.
func TestATerminalShowsAJob(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.must("jobs", "pause", "--all")
	first, id := h.addJob(h.recorded(1)), h.addJob(h.recorded(1))
	r := h.inTerminal(h.command("jobs", "wait", id), 80, 24)
	r.await("held back")
	r.await("queued, number 2 in the queue")
	h.must("jobs", "cancel", first)
	r.await("queued, number 1 in the queue")
	h.must("jobs", "cancel", id)
	if shown, state := r.end(); state.ExitCode() != 1 || !strings.Contains(shown, "was cancelled") {
		t.Errorf("exit %d:\n%s", state.ExitCode(), shown)
	}
}

// A shell is offered the jobs that a command can change. A model that a waiting job names is not taken away.
func TestCompletionOfJobs(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.env = append(h.env, "SCOUT_MODELS="+installDefault(t))
	h.must("jobs", "pause", "--all")
	waits, held := h.addJob("--model", defaultModel, h.recorded(1)), h.addJob(h.recorded(1))
	if got := h.run("models", "remove", defaultModel); got.code != 1 || !strings.Contains(got.err, waits+", which has not ended") {
		t.Errorf("a model that a job names: exit %d, %s%s", got.code, got.out, got.err)
	}
	cancelled := h.addJob(h.recorded(1))
	h.must("jobs", "pause", held)
	h.must("jobs", "cancel", cancelled)
	for command, want := range map[string][]string{
		"show": {waits, held, cancelled}, "wait": {waits, held, cancelled}, "cancel": {waits, held}, "pause": {waits, held}, "resume": {held}, "retry": {cancelled}, "forget": {cancelled},
	} {
		offered := h.must("__complete", "jobs", command, "job_").out
		for _, id := range []string{waits, held, cancelled} {
			if got := strings.Contains(offered, id); got != slices.Contains(want, id) {
				t.Errorf("%s: job %s is offered: %t\n%s", command, id, got, offered)
			}
		}
	}
}

// The daemon is killed at random moments while jobs wait and run. Every job that it acknowledged is done, once, and none is blamed for
// the ends.
func TestKilledDaemonsDoEachJobOnce(t *testing.T) {
	t.Parallel()
	needModel(t)
	kills := 4
	if n, err := strconv.Atoi(os.Getenv(daemonKills)); err == nil {
		kills = n
	}
	h := inHouse(quietBooth(t))
	recordings := []string{h.recorded(20), h.recorded(2), h.recorded(1)}
	c := h.caller()
	var mu sync.Mutex
	jobs := map[string]string{} // their recordings
	n := 0
	for range kills {
		was := h.status()
		killed := make(chan struct{})
		var submitting sync.WaitGroup
		submitting.Go(func() {
			for range 20 {
				select {
				case <-killed:
					return
				default:
				}
				mu.Lock()
				n++
				number := n
				mu.Unlock()
				recording := recordings[number%len(recordings)]
				var j v1.Job
				in := v1.NewJob{Kind: "transcribe", RecordingID: recording, NewText: v1.NewText{TextOptions: v1.TextOptions{Effort: "quick", Keywords: []string{strconv.Itoa(number % 12)}}}}
				if c.call(http.MethodPost, "/jobs", in, &j) {
					mu.Lock()
					jobs[j.ID] = recording
					mu.Unlock()
				}
			}
		})
		time.Sleep(2*time.Second + time.Duration(rand.IntN(3000))*time.Millisecond) // a random moment is what is tested
		if err := syscall.Kill(was.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		close(killed)
		submitting.Wait()
		h.untilAnswered(was.PID)
		if report, err := sqlite.CheckFile(t.Context(), filepath.Join(h.data, sqlite.FileName)); err != nil || len(report.Problems) > 0 {
			t.Errorf("the database: %v, %v", report.Problems, err)
		}
	}
	made := map[string]int{}
	for id, recording := range jobs {
		h.must("jobs", "wait", id)
		made[recording]++
	}
	if len(jobs) < 12 {
		t.Errorf("%d jobs, want 12 at least: the daemon is killed too early", len(jobs))
	}
	for recording, want := range made {
		if n := h.versions(recording); n != want {
			t.Errorf("%d versions of %s, want one for each of %d jobs", n, recording, want)
		}
	}
	t.Logf("%d jobs, each done once, in %d lives of the daemon", len(jobs), kills+1)
}

// A job at which the daemon ends by itself again and again is a dead letter after six times, and others are served before it is tried
// alone.
func TestAJobThatEndsTheDaemonIsADeadLetter(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	long, short := h.recorded(60), h.recorded(1)
	bad := h.addJob("--priority", "interactive", long)
	good := h.addJob("--priority", "low", short)
	h.must("jobs", "pause", good)
	c := h.caller()
	const most = 30 // a machine that is busy elsewhere may let it come to its first checkpoint, which clears what was held against it
	j := h.job(bad)
	for end := 0; end < most && j.State != "dead"; end++ {
		for began := time.Now(); j.State != "running" && j.State != "dead" && time.Since(began) < patience; time.Sleep(time.Millisecond) { // to end it at once
			c.call(http.MethodGet, "/jobs/"+bad, nil, &j)
		}
		if end == 2 {
			c.call(http.MethodPost, "/jobs/"+good+"/resume", nil, nil)
		}
		if j.State == "running" {
			holder, _ := h.holder()
			kill(t, holder.PID, syscall.SIGABRT) // the runtime of Go writes down that it was this signal
			h.untilNoDaemon()
		}
		j = h.job(bad)
	}
	h.must("jobs", "wait", good)
	if j.State != "dead" || j.Error == nil || j.Error.Code != scout.CodeCrashLoop || j.Attempt != 0 {
		t.Fatalf("job %+v, want a dead letter with %s that used up no attempt", j, scout.CodeCrashLoop)
	}
	if n := h.versions(short); n != 1 {
		t.Errorf("%d versions of the other recording, want 1", n)
	}
	log, err := os.ReadFile(filepath.Join(h.data, "daemon.log"))
	if err != nil || !bytes.Contains(log, []byte("daemon_crashed")) || !bytes.Contains(log, []byte("SIGABRT")) {
		t.Errorf("the log does not say that the daemon crashed (%v)", err)
	}
}
