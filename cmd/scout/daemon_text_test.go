//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// dictated records the clip; its text was promised.
func (h *house) dictated() (id string) {
	h.t.Helper()
	path, err := filepath.Abs("../../testdata/jfk.wav")
	if err != nil {
		h.t.Fatal(err)
	}
	id = strings.TrimSpace(h.must("start", "--transcribe", "--device", "file:"+path+"?speed=max").out)
	return id
}

// untilText waits until the text of the only promise has a state.
func (h *house) untilText(state string) v1.Transcription {
	h.t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) { // an answer is of its moment
		texts := h.asked().Transcriptions
		if len(texts.Data) == 1 && texts.Data[0].State == state {
			return texts.Data[0]
		}
		if time.Since(began) > patience {
			h.t.Fatalf("the text is not %s: %+v", state, texts)
		}
	}
}

// versions are how many texts a recording has.
func (h *house) versions(id string) int {
	h.t.Helper()
	var versions struct {
		Versions []v1.TextVersion `json:"versions"`
	}
	if err := json.Unmarshal([]byte(h.must("transcripts", "versions", id, "--json").out), &versions); err != nil {
		h.t.Fatal(err)
	}
	return len(versions.Versions)
}

func (h *house) engines() (pids []int) {
	h.t.Helper()
	for _, p := range h.asked().Processes {
		if p.Name == "scout-engine" {
			pids = append(pids, p.PID)
		}
	}
	return pids
}

// Whatever ends while a promised text is made, scout stop prints it, and it is there once.
func TestScoutStopPrintsThePromisedText(t *testing.T) {
	t.Parallel()
	needModel(t)
	for situation, harm := range map[string]func(h *house){
		"nothing happens": func(*house) {},
		"the daemon is killed, and the next one too": func(h *house) {
			for range 2 {
				h.untilText("running")
				holder, _ := h.holder()
				kill(h.t, holder.PID, syscall.SIGKILL)
				h.untilNoDaemon()
			}
		},
		"the daemon is told to end": func(h *house) {
			h.untilText("running")
			holder, _ := h.holder()
			kill(h.t, holder.PID, syscall.SIGTERM)
		},
		"the engine is killed": func(h *house) {
			for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
				if pids := h.engines(); len(pids) > 0 {
					if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
						h.t.Error(err)
					}
					return
				}
			}
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := inHouse(quietBooth(t))
			id := h.dictated()
			said := make(chan outcome, 1)
			go func() { said <- h.run("stop", "--transcribe") }() // ended by the text
			harm(h)
			got := <-said
			if got.code != 0 || !strings.Contains(strings.Join(plainWords(got.out), " "), "not what your country") {
				t.Errorf("exit %d: %q\n%s", got.code, got.out, got.err)
			}
			if n := h.versions(id); n != 1 {
				t.Errorf("%d versions of the text, want 1", n)
			}
			if owed := h.status().Transcriptions; owed.Count+owed.Failed != 0 {
				t.Errorf("afterwards: %+v", owed)
			}
			var again struct {
				v1.Stopped
				Transcript v1.Transcript
			}
			if err := json.Unmarshal([]byte(h.must("stop", "--transcribe", "--json").out), &again); err != nil || !again.Already || !strings.Contains(got.out, again.Transcript.Segments[0].Text) {
				t.Errorf("stop again: %+v, %v", again, err)
			}
			if n := h.versions(id); n != 1 {
				t.Errorf("%d versions after another stop, want 1", n)
			}
		})
	}
}

// A text that is interrupted by the end of the daemon is not begun again: the next daemon goes on, and the words are those of an
// undisturbed one.
func TestAnInterruptedTextIsNotBegunAgain(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	clip, err := os.ReadFile("../../testdata/jfk.wav")
	if err != nil {
		t.Fatal(err)
	}
	const times = 24 // enough that it is not over before the daemon is killed
	header := bytes.Index(clip, []byte("data")) + 8
	long := slices.Clone(clip[:header])
	for range times {
		long = append(long, clip[header:]...)
	}
	binary.LittleEndian.PutUint32(long[4:], uint32(len(long)-8))             //nolint:gosec // a short file
	binary.LittleEndian.PutUint32(long[header-4:], uint32(len(long)-header)) //nolint:gosec // as above
	path := filepath.Join(t.TempDir(), "long.wav")
	if err := os.WriteFile(path, long, 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("start", "--transcribe", "--device", "file:"+path+"?speed=max")
	undisturbed := h.must("stop", "--transcribe").out
	if n := strings.Count(strings.ToLower(undisturbed), "ask not"); n != times {
		t.Fatalf("%d times in %s", n, undisturbed)
	}
	log, err := os.ReadFile(h.status().LogFile)
	if err != nil {
		t.Fatal(err)
	}

	id := strings.TrimSpace(h.must("start", "--transcribe", "--device", "file:"+path+"?speed=max").out)
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) { // nothing announces what is saved
		text := h.untilText("running")
		if p := text.Progress; p != nil && p.DoneSeconds >= 40 && time.Since(began) > 1500*time.Millisecond { // it is saved every second
			break
		}
		if time.Since(began) > patience {
			t.Fatalf("%+v", text)
		}
	}
	holder, _ := h.holder()
	kill(t, holder.PID, syscall.SIGKILL)
	h.untilNoDaemon()
	if again := h.must("stop", "--transcribe").out; again != undisturbed || h.versions(id) != 1 {
		t.Errorf("%d versions, and the text is\n%s\nwant\n%s", h.versions(id), again, undisturbed)
	}
	whole, err := os.ReadFile(h.status().LogFile)
	if err != nil {
		t.Fatal(err)
	}
	var from []string // in the order of the attempts
	for _, found := range regexp.MustCompile(`transcription_begun.*from_ms["=:]+(\d+)`).FindAllStringSubmatch(string(whole[len(log):]), -1) {
		from = append(from, found[1])
	}
	if len(from) != 2 || from[0] != "0" || len(from[1]) < 5 {
		t.Errorf("the attempts began at %v ms, want the second one behind 10 s", from)
	}
}

// Without a model a text is owed, said everywhere, and made when there is one.
func TestAPromisedTextWaitsForAModel(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	models := filepath.Join(h.data, "own-models")
	if err := os.MkdirAll(models, 0o755); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "SCOUT_MODELS="+models)
	id := h.dictated()
	got := h.run("stop", "--transcribe")
	if got.code != 1 || !strings.Contains(got.err, "scout models pull") || !strings.Contains(got.err, "the recording is safe") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
	if got := h.run("stop"); got.code != 0 || !strings.Contains(got.err, "no text yet") || !strings.Contains(got.out, id) {
		t.Errorf("a stop that asks for no text: exit %d: %s%s", got.code, got.out, got.err)
	}
	if owed := h.untilText("waiting"); owed.Error == nil || owed.Error.Code != "model_not_installed" || owed.ID != id {
		t.Errorf("%+v", owed)
	}
	if got := h.must("status").out; !strings.Contains(got, "1 to come") || !strings.Contains(got, "scout models pull") {
		t.Errorf("status:\n%s", got)
	}
	if got := h.run("health"); !strings.Contains(got.out, "1 recording waits for text") {
		t.Errorf("health:\n%s", got.out)
	}
	if err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(installDefault(t), defaultModel), models).Run(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); h.asked().Transcriptions.Count > 0; time.Sleep(20 * time.Millisecond) { // an answer is of its moment
		if time.Since(began) > patience {
			t.Fatalf("the text does not come: %+v", h.status().Transcriptions)
		}
	}
	if got := h.must("transcripts", "show", id).out; !strings.Contains(strings.ToLower(got), "ask not") || h.versions(id) != 1 {
		t.Errorf("the text: %s", got)
	}
}

// Damaged audio is no text, and no reason to keep trying.
func TestAPromisedTextOfDamagedAudio(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.must("start", "--device", "tone:440")
	path := strings.TrimSpace(h.must("stop").out)
	if err := os.WriteFile(path, []byte(strings.Repeat("no audio ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := h.run("stop", "--transcribe")
	if got.code != 1 || got.out != "" || !strings.Contains(got.err, "scout: ") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
	if failed := h.untilText("failed"); failed.Error == nil || failed.Error.Code == "" {
		t.Errorf("%+v", failed)
	}
	if got := h.must("status").out; !strings.Contains(got, strconv.Itoa(1)+" failed") {
		t.Errorf("status:\n%s", got)
	}
	if got := h.run("health"); got.code != 1 || !strings.Contains(got.out, "1 recording got no text") {
		t.Errorf("health: exit %d\n%s", got.code, got.out)
	}
}

// A stop takes a promise back.
func TestAPromisedTextThatIsTakenBack(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.must("start", "--transcribe", "--device", "tone:440")
	if got := h.must("stop", "--transcribe=false"); !strings.HasSuffix(strings.TrimSpace(got.out), ".wav") {
		t.Errorf("%s%s", got.out, got.err)
	}
	if owed := h.status().Transcriptions; owed.Count+owed.Failed != 0 {
		t.Errorf("%+v", owed)
	}
	for _, args := range [][]string{{"start", "--language", "en"}, {"stop", "--model", "x"}} {
		if got := h.run(args...); got.code != 2 || !strings.Contains(got.err, "add --transcribe") {
			t.Errorf("%v: exit %d: %s", args, got.code, got.err)
		}
	}
	if got := h.run("start", "--transcribe", "--language", "blah"); got.code != 1 && got.code != 2 || !strings.Contains(got.err, "blah") {
		t.Errorf("an unknown language: exit %d: %s", got.code, got.err)
	}
}
