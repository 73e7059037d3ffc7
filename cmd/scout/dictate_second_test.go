//go:build linux

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/testrun"
)

// twoPasses is a house whose dictations get a second pass.
func twoPasses(t *testing.T) *house {
	t.Helper()
	needModel(t)
	if _, err := os.Stat(filepath.Join(os.Getenv("SCOUT_MODELS"), "whisper-base")); err != nil {
		t.Skip("needs whisper-base")
	}
	h := inHouse(quietBooth(t))
	h.env = append(h.env, "SCOUT_DICTATION__SECOND_PASS=on", "SCOUT_INSERT__WAIT=30s", "SCOUT_MODELS__ACCURATE=whisper-base") // the suite has one model for both roles
	return h
}

// A dictation is heard a second time by the accurate model. The text that goes into a pipe is the best one; the first one stays.
func TestASecondPassRevisesADictation(t *testing.T) {
	t.Parallel()
	h := twoPasses(t)
	got := h.must("dictate", "--json", "--device", "file:"+clip)
	all, final := eventsIn(t, got.out)
	if final == nil || final.Version != 1 || final.SecondPass == nil || final.SecondPass.Outcome != event.SecondPending {
		t.Fatalf("final: %+v\n%s", final, got.err)
	}
	last := all[len(all)-1]
	switch {
	case last.Type == event.Revised:
		if last.Version != 2 || last.Kind != string(store.KindSecondPass) || last.Text == final.Text {
			t.Errorf("revised: %+v", last)
		}
	case last.SecondPass == nil || last.SecondPass.Outcome != event.SecondSame: // it heard the same
		t.Errorf("it ends with %+v", last)
	}
	for _, text := range []string{final.Text, last.Text} {
		if said, want := wordsOf(text), wordsOf(testrun.Spoken); text != "" && !similar(said, want, 2) {
			t.Errorf("text %q", text)
		}
	}
	if first := h.must("dictate", "--last", "--first-pass"); first.out != final.Text+"\n" {
		t.Errorf("--first-pass: %q", first.out)
	}
	if got := h.run("dictate", "--first-pass"); got.code != 2 {
		t.Errorf("--first-pass alone: exit %d: %s", got.code, got.err)
	}
	if p := h.status().SecondPass; p.State != v1.SecondPassReady || p.Model != "whisper-base" || p.Reason != "" {
		t.Errorf("status: %+v", p)
	}
}

// harm is something that happens to the second pass.
type harm struct {
	name string
	// prepare changes the house before its daemon runs.
	prepare func(t *testing.T, h *house)
	// engine is done to the engine of the accurate model whenever it is there.
	engine func(t *testing.T, pid int)
	// outcomes are those that the second pass may have, code is why it failed, or one of several codes.
	outcomes []string
	codes    []scout.Code
	// status and health are what these say then; health is healthy where it says nothing.
	status, health string
	// long is true for what is done by make chaos alone.
	long bool
}

func harms() []harm {
	gone := []string{event.SecondNone}
	return []harm{
		{
			name: "killed at every decode", engine: func(_ *testing.T, pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) },
			outcomes: []string{event.SecondFailed, event.SecondNone}, // the latter where a busy machine takes longer than 15 s to try it again and again
			codes:    []scout.Code{scout.CodeEngineCrashed, scout.CodeEngineStart, scout.CodeEngineUnavailable, scout.CodeAudioSetAside, scout.CodeTooSlow},
			status:   "the last dictation had none: ", health: "the last dictation got no second pass: ",
		},
		{
			name: "model missing", prepare: func(t *testing.T, h *house) { h.models(t, nil) },
			outcomes: gone, codes: []scout.Code{scout.CodeModelNotInstalled}, status: "model whisper-base is not installed", health: "the last dictation got no second pass: model whisper-base is not installed",
		},
		{
			name: "model cut short", long: true,
			prepare:  func(t *testing.T, h *house) { h.models(t, func(b []byte) []byte { return b[:len(b)/2] }) },
			outcomes: gone, codes: []scout.Code{scout.CodeModelCorrupt}, status: "is truncated", health: "the last dictation got no second pass: model whisper-base: ",
		},
		{
			name: "model overwritten", long: true,
			prepare: func(t *testing.T, h *house) {
				h.models(t, func(b []byte) []byte {
					clear(b[len(b)/3 : len(b)/2])
					return b
				})
			},
			outcomes: gone, codes: []scout.Code{scout.CodeModelCorrupt}, status: "was altered", health: "the last dictation got no second pass: model whisper-base: ",
		},
		{
			name: "a fifth of a core", long: true, engine: throttled(20),
			outcomes: []string{event.SecondPublished, event.SecondSame},
		},
		{
			name: "slower than speech", long: true, engine: throttled(1),
			outcomes: gone, codes: []scout.Code{scout.CodeTooSlow}, status: "the last dictation had none: ",
		},
	}
}

// throttled gives a process so many hundredths of a core.
func throttled(percent int) func(t *testing.T, pid int) {
	var group *testrun.ControlGroup
	return func(t *testing.T, pid int) {
		if group == nil {
			g := testrun.NewControlGroup(t, "cpu")
			g.Set(t, "cpu.cfs_period_us", "100000")
			g.Set(t, "cpu.cfs_quota_us", strconv.Itoa(1000*percent))
			group = &g
		}
		group.Set(t, "cgroup.procs", strconv.Itoa(pid))
	}
}

// models gives the house a folder of models in which that of the second pass is missing, or changed.
func (h *house) models(t *testing.T, change func(model []byte) []byte) {
	t.Helper()
	from, to := os.Getenv("SCOUT_MODELS"), t.TempDir()
	if err := os.Symlink(filepath.Join(from, "moonshine-tiny-en"), filepath.Join(to, "moonshine-tiny-en")); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "SCOUT_MODELS="+to)
	if change == nil {
		return
	}
	if err := os.CopyFS(filepath.Join(to, "whisper-base"), os.DirFS(filepath.Join(from, "whisper-base"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(to, "whisper-base", "model.bin")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whatever happens to the second pass, the first text is as whole as without, and Scout says why there is no second one. make chaos
// does all of it.
func TestADictationSurvivesItsSecondPass(t *testing.T) {
	t.Parallel()
	for _, c := range harms() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.long && os.Getenv("SCOUT_CHAOS") == "" {
				t.Skip("make chaos does it")
			}
			h := twoPasses(t)
			if c.prepare != nil {
				c.prepare(t, h)
			}
			h.must("status") // the daemon runs
			got := h.dictateAndHarm(t, c.engine)
			all, final := eventsIn(t, got.out)
			if got.code != 0 || final == nil || final.Complete == nil || !*final.Complete {
				t.Fatalf("exit %d, final: %+v\n%s", got.code, final, got.err)
			}
			if said, want := wordsOf(final.Text), wordsOf(testrun.Spoken); !similar(said, want, 2) {
				t.Errorf("text %q", final.Text)
			}
			told := secondOf(&all[len(all)-1])
			if told == nil || !slices.Contains(c.outcomes, told.Outcome) || (told.Error == nil) != (c.codes == nil) || told.Error != nil && !slices.Contains(c.codes, told.Error.Code) {
				t.Errorf("it ends with %+v:\n%s", told, got.out)
			}
			if p := h.status().SecondPass; (c.status == "") != (p.Reason == "") || !strings.Contains(p.Reason, c.status) {
				t.Errorf("status: %+v", p)
			}
			if told != nil && told.Error != nil && told.Error.Code == scout.CodeTooSlow {
				c.health = "" // the machine is busy, and nothing is wrong
			}
			if d, _ := h.component("dictation"); (c.health == "") != (d.Status == string(health.Healthy)) || !strings.HasPrefix(d.Reason, c.health) {
				t.Errorf("health: %+v", d)
			}
			t.Logf("first text whole; second pass: %s; status: %q", told.Outcome, h.status().SecondPass.Reason)
		})
	}
}

// dictateAndHarm dictates the clip. harm is done whenever an engine of the accurate model is there.
func (h *house) dictateAndHarm(t *testing.T, harm func(t *testing.T, pid int)) (got outcome) {
	t.Helper()
	p := h.start("dictate", "--json", "--device", "file:"+clip)
	ended := make(chan outcome, 1)
	go func() { ended <- p.end() }()
	calls, harmed := h.caller(), 0
	for {
		select {
		case got = <-ended:
			if harm != nil && harmed == 0 {
				t.Error("there was no engine of the accurate model")
			}
			return got
		case <-time.After(5 * time.Millisecond): // nothing announces a process
		}
		if harm == nil {
			continue
		}
		var status v1.Status
		calls.call(http.MethodGet, "/status", nil, &status)
		for _, process := range status.Processes {
			if process.Model == "whisper-base" {
				harm(t, process.PID)
				harmed++
			}
		}
	}
}

// secondOf is what became of the second pass, by the last event of a dictation. Whoever reads the events of scout dictate sees the text of
// the second pass last.
func secondOf(last *event.Event) *event.SecondPass {
	if last.Type == event.Revised {
		return &event.SecondPass{Outcome: event.SecondPublished}
	}
	return last.SecondPass
}
