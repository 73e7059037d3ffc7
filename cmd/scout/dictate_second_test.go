//go:build linux

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate/event"
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

// The engine of the second pass is killed whenever it is there: the first text is as whole as without, and Scout says why there is no
// second one.
func TestADictationSurvivesItsSecondPass(t *testing.T) {
	t.Parallel()
	h := twoPasses(t)
	h.must("status") // the daemon runs
	p := h.start("dictate", "--json", "--device", "file:"+clip)
	ended := make(chan outcome, 1)
	go func() { ended <- p.end() }()
	var got outcome
	calls, kills := h.caller(), 0
	for over := false; !over; {
		select {
		case got = <-ended:
			over = true
		case <-time.After(5 * time.Millisecond): // nothing announces a process
			var status v1.Status
			calls.call(http.MethodGet, "/status", nil, &status)
			for _, process := range status.Processes {
				if process.Model == "whisper-base" && syscall.Kill(process.PID, syscall.SIGKILL) == nil {
					kills++
				}
			}
		}
	}
	_, final := eventsIn(t, got.out)
	if got.code != 0 || final == nil || final.Complete == nil || !*final.Complete || kills == 0 {
		t.Fatalf("exit %d, %d kills, final: %+v\n%s", got.code, kills, final, got.err)
	}
	if said, want := wordsOf(final.Text), wordsOf(testrun.Spoken); !similar(said, want, 2) {
		t.Errorf("text %q", final.Text)
	}
	if !strings.Contains(got.out, `"second_pass":{"outcome":"failed"`) {
		t.Errorf("it does not say that the second pass failed:\n%s", got.out)
	}
	if p := h.status().SecondPass; !strings.HasPrefix(p.Reason, "the last dictation had none: ") {
		t.Errorf("status: %+v", p)
	}
}
