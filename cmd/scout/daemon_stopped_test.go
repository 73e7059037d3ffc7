//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/testrun"
)

// component is what the health of the daemon says about one part, and how long the answer took.
func (h *house) component(name string) (c v1.Component, took time.Duration) {
	h.t.Helper()
	began := time.Now()
	got := h.run("health", "--json")
	took = time.Since(began)
	var health v1.Health
	if err := json.Unmarshal([]byte(got.out), &health); err != nil {
		h.t.Fatalf("%v: %s%s", err, got.out, got.err)
	}
	i := slices.IndexFunc(health.Components, func(c v1.Component) bool { return c.Name == name })
	if i < 0 {
		h.t.Fatalf("no %s in %+v", name, health)
	}
	return health.Components[i], took
}

// stopped suspends a process until the returned function is called, or the test ends.
func (h *house) stopped(pid int) (goOn func()) {
	h.t.Helper()
	testrun.Suspend(h.t, pid)
	goOn = func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			h.t.Error(err)
		}
	}
	h.t.Cleanup(goOn)
	return goOn
}

// A recorder that is suspended keeps no request waiting: answers come in time and say what is wrong, health is told, and
// when it goes on every frame that another program heard meanwhile is in the recording, or in a gap that it admits. It is suspended for
// longer than the sound server keeps frames for it, which then drops some without a word.
func TestARecorderThatStandsStill(t *testing.T) {
	t.Parallel()
	h := inHouse(newBooth(t))
	id := strings.TrimSpace(h.must(append([]string{"start"}, studio...)...).out)
	witness := h.mic.Listen(48_000, 1)
	player := h.mic.PlayCoded(codedSeed, 48_000, 1, 5*time.Second)
	h.untilFrames(24_000)
	pid := h.recorderPID()
	goOn := h.stopped(pid)
	stoppedAt := time.Now()
	audio, _ := h.component("audio")
	if audio.Status != "Unhealthy" || !strings.Contains(audio.Reason, fmt.Sprint(pid)) {
		t.Errorf("%+v", audio)
	}
	status := h.status() // it waits for the recorder no longer than a second
	if status.Recorder.State != "failed" || status.Recorder.Reason == "" {
		t.Errorf("%+v", status.Recorder)
	}
	if i := slices.IndexFunc(status.Processes, func(p v1.Process) bool { return p.PID == pid }); i < 0 || status.Processes[i].Name != "scout-recorder" || status.Processes[i].OwnSession == nil || !*status.Processes[i].OwnSession {
		t.Errorf("%+v", status.Processes)
	}
	time.Sleep(time.Until(stoppedAt.Add(3600 * time.Millisecond))) // nothing announces that the server is full
	goOn()
	for began := time.Now(); h.asked().Recorder.State != "recording"; time.Sleep(5 * time.Millisecond) { // an answer is of its moment
		if time.Since(began) > patience {
			t.Fatalf("%+v", h.status().Recorder)
		}
	}
	<-player.Done()
	h.must("stop")
	m := h.only()
	if string(m.ID) != id {
		t.Errorf("%+v", m)
	}
	_, runs := h.heard(m, 60*48_000)
	delivered := pulsetest.Decode(witness.Stop(), 1, codedSeed, 60*48_000)
	const precision = 1920 // frames: how exactly the time tells what is missing on a busy machine
	if missing := pulsetest.Missing(runs, delivered); missing > m.LostFrames()+precision*uint64(len(m.Gaps)) || len(delivered) == 0 {
		t.Errorf("%d frames are missing that another program heard, and %d in gaps: recorded %v, the other %v", missing, m.LostFrames(), runs, delivered)
	}
	if got := h.run("recordings", "verify", id); got.code != 0 {
		t.Errorf("%s%s", got.out, got.err)
	}
}

// An engine that is suspended in the middle of a promised text delays that text and nothing else: health tells of it, requests are
// answered, and the text is complete, once. Afterwards the engine is healthy and works, whether it was replaced or goes on.
func TestAnEngineThatStandsStill(t *testing.T) {
	t.Parallel()
	needModel(t)
	for situation, goesOn := range map[string]bool{"it is replaced": false, "it goes on": true} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := inHouse(quietBooth(t))
			id := h.dictated()
			said := make(chan outcome, 1)
			go func() { said <- h.run("stop", "--transcribe") }() // ended by the text
			goOn := h.stopped(h.untilEngine())
			for began := time.Now(); ; {
				engine, took := h.component("engine")
				if took > patience {
					t.Errorf("the health took %s", took)
				}
				if engine.Status == "Unhealthy" && engine.Metadata["state"] == "stalled" {
					break
				}
				untried := engine.Reason == "no request yet" // the request is still on its way
				if engine.Status == "Healthy" && engine.Metadata["state"] == "loaded" && !untried || time.Since(began) > patience {
					t.Fatalf("an engine that stands still is %+v", engine)
				}
			}
			h.must("recordings", "title", id, "meanwhile") // neither store nor recorder waits for it
			if got := h.must("start", "--device", "tone:440", "--json"); !strings.Contains(got.out, `"already": false`) && !strings.Contains(got.out, `"already":false`) {
				t.Errorf("%s", got.out)
			}
			h.must("stop", "--transcribe=false")
			if goesOn {
				goOn()
			}
			got := <-said
			if got.code != 0 || !strings.Contains(strings.Join(plainWords(got.out), " "), "not what your country") || h.versions(id) != 1 {
				t.Errorf("exit %d, %d versions: %s%s", got.code, h.versions(id), got.out, got.err)
			}
			goOn() // nobody is there any more where it was replaced
			for began := time.Now(); ; {
				engine, _ := h.component("engine")
				if engine.Status == "Healthy" && engine.Metadata["state"] == "loaded" {
					break
				}
				if time.Since(began) > patience {
					t.Fatalf("an engine that has made a text is %+v", engine)
				}
			}
			again := h.dictated()
			if got := h.must("stop", "--transcribe"); !strings.Contains(strings.Join(plainWords(got.out), " "), "not what your country") || h.versions(again) != 1 {
				t.Errorf("the next text: %s%s", got.out, got.err)
			}
		})
	}
}

// untilEngine waits until an engine runs, and returns its process.
func (h *house) untilEngine() (pid int) {
	h.t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) { // an answer is of its moment
		if pids := h.engines(); len(pids) > 0 {
			return pids[0]
		}
		if time.Since(began) > patience {
			h.t.Fatal("no engine is started")
		}
	}
}

// A text that is owed keeps a daemon that was started on demand; when it is there the daemon ends. A change of daemon.idle in the
// settings file takes effect without a request.
func TestWhatKeepsADaemonThatWasStartedOnDemand(t *testing.T) {
	t.Parallel()
	needModel(t)
	config := filepath.Join(t.TempDir(), "settings.toml") // before the booth, which reads it at its end
	h := inHouse(quietBooth(t))
	write := func(idle string) {
		t.Helper()
		if err := os.WriteFile(config+".new", []byte("[daemon]\nidle = \""+idle+"\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(config+".new", config); err != nil {
			t.Fatal(err)
		}
	}
	write("1h")
	h.env = append(slices.DeleteFunc(slices.Clone(h.env), func(v string) bool { // which would be stronger than the file
		return strings.HasPrefix(v, "SCOUT_DAEMON__IDLE=")
	}), "SCOUT_CONFIG="+config)
	models := filepath.Join(h.data, "own-models") // no model yet: the text is owed for as long as the test likes
	if err := os.MkdirAll(models, 0o755); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "SCOUT_MODELS="+models)
	id := h.dictated()
	if got := h.run("stop"); got.code != 0 || !strings.Contains(got.err, "no text yet") {
		t.Fatalf("exit %d: %s", got.code, got.err)
	}
	holder, _ := h.holder()
	write("200ms")
	time.Sleep(time.Second) // several times daemon.idle: nothing can announce that a process does not end
	if now, running := h.holder(); !running || now.PID != holder.PID {
		t.Fatal("the daemon ended although a text is owed")
	}
	if err := os.Symlink(filepath.Join(installDefault(t), defaultModel), filepath.Join(models, defaultModel)); err != nil {
		t.Fatal(err)
	}
	h.untilNoDaemon() // nobody asked for anything since the file was written
	log, err := os.ReadFile(filepath.Join(h.data, "daemon.log"))
	if err != nil || !strings.Contains(string(log), "msg=transcription_made") || !strings.Contains(string(log), "reason=idle") {
		t.Errorf("%v, %s", err, log)
	}
	if got := h.must("transcripts", "show", id).out; !strings.Contains(strings.ToLower(got), "ask not") {
		t.Errorf("%s", got)
	}
}
