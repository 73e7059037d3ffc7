//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/testrun"
)

// wordsOf are the words of a text without what a live text may write in another way.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return (r < 'a' || r > 'z') && r != '\'' })
}

// eventsIn reads the events of scout dictate --json, and checks what holds for each stream: the numbers have no holes, and whoever
// appends what is committed has the text.
func eventsIn(t *testing.T, out string) (all []event.Event, final *event.Event) {
	t.Helper()
	committed, last := "", uint64(0)
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		if e.Seq > 0 {
			if e.Seq != last+1 {
				t.Errorf("event %d follows %d", e.Seq, last)
			}
			last = e.Seq
		}
		switch e.Type {
		case event.Committed:
			committed += e.Text
		case event.Final:
			final = &e
			if final.Text != strings.TrimSpace(committed) {
				t.Errorf("final:     %q\ncommitted: %q", final.Text, committed)
			}
		}
		all = append(all, e)
	}
	return all, final
}

// A dictation whose engine and daemon are killed in the middle has all its words, in one stream of events.
func TestADictationSurvivesItsEngineAndItsDaemon(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.must("status") // the daemon runs
	p := h.start("dictate", "--json", "--device", "file:"+clip)
	h.untilFrames(4 * 16_000)
	for _, process := range h.status().Processes {
		if process.Name == "scout-engine" {
			kill(t, process.PID, syscall.SIGKILL)
		}
	}
	h.untilFrames(7 * 16_000)
	holder, _ := h.holder()
	kill(t, holder.PID, syscall.SIGKILL)
	got := p.end()
	if got.code != 0 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	all, final := eventsIn(t, got.out)
	if final == nil || final.Version != 1 || final.Complete == nil || !*final.Complete {
		t.Fatalf("final: %+v\n%s", final, got.err)
	}
	if said, want := wordsOf(final.Text), wordsOf(testrun.Spoken); !similar(said, want, 2) {
		t.Errorf("text %q", final.Text)
	}
	if all[0].State != event.Listening {
		t.Errorf("the first event is %+v", all[0])
	}
	if again := h.must("dictate", "--last"); again.out != final.Text+"\n" {
		t.Errorf("--last: %q", again.out)
	}
	if texts := h.texts("list"); len(texts) != 1 || texts[0].Version != 1 || texts[0].Kind != "first" {
		t.Errorf("texts: %+v", texts)
	}
}

// similar reports whether two texts differ in at most so many words, one for another.
func similar(a, b []string, most int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			most--
		}
	}
	return most >= 0
}

// Two toggles at once begin and stop one dictation; one after the other they begin it and give its text. It goes on without them.
func TestToggle(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	if got := h.must("toggle", "--print", "--device", "file:"+clip); got.out != "" || !strings.Contains(got.err, "listening") {
		t.Errorf("on: %q %s", got.out, got.err)
	}
	h.untilFrames(5 * 16_000)
	got := h.must("toggle", "--print")
	if words := wordsOf(got.out); len(words) < 5 || !similar(words[:5], wordsOf("And so my fellow Americans"), 1) {
		t.Errorf("off: %q %s", got.out, got.err)
	}
	if strings.Contains(got.err, "listening") {
		t.Errorf("off: it says %q", got.err)
	}
	if m := h.only(); m.State != "finished" || m.Frames > 10*16_000 {
		t.Errorf("recording: %s, %d frames", m.State, m.Frames)
	}
	h.must("record", "--detach", "--device", "tone:440")
	if got := h.run("toggle"); got.code != 1 || !strings.Contains(got.err, "scout stop") {
		t.Errorf("beside a recording: exit %d %s", got.code, got.err)
	}
}

// One id leads from the command through the daemon and the recorder to the requests to the engine; also that of a client which has one.
func TestADictationHasOneTrace(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.env = append(h.env, "SCOUT_LOG_LEVEL=debug")
	lines := func(path, event, recording string) (found []string) {
		for until := time.Now().Add(patience); len(found) == 0 && time.Now().Before(until); time.Sleep(5 * time.Millisecond) { // a log announces nothing
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(data)) {
				if strings.Contains(line, "msg="+event+" ") && strings.Contains(line, recording) {
					_, id, _ := strings.Cut(line, "trace_id=")
					id, _, _ = strings.Cut(id, " ")
					found = append(found, strings.TrimSpace(id))
				}
			}
		}
		return found
	}
	h.must("toggle", "--print", "--device", "file:"+clip)
	h.untilFrames(16_000)
	h.must("toggle", "--print")
	id := string(h.only().ID)
	daemonLog, recorderLog := filepath.Join(h.data, daemon.LogName), filepath.Join(h.dir, remote.LogName)
	begun := lines(daemonLog, "dictation_started", id)
	if len(begun) != 1 || len(begun[0]) != 32 {
		t.Fatalf("the dictation has the traces %q", begun)
	}
	for _, other := range [][]string{lines(daemonLog, "dictation_finished", id), lines(recorderLog, "recording_started", id), lines(recorderLog, "recording_stopped", id), lines(daemonLog, "engine_request", "")} {
		if other = slices.Compact(other); !slices.Equal(other, begun) {
			t.Errorf("traces %q, want %q", other, begun)
		}
	}
	const wanted = "0af7651916cd43dd8448eb211c80319c"
	c := h.client()
	defer c.Close()
	ctx := observe.WithTraceparent(t.Context(), "00-"+wanted+"-b7ad6b7169203331-01")
	var started v1.Started
	if err := c.Post(ctx, "/recorder/start", v1.Start{Device: "file:" + clip}, &started); err != nil {
		t.Fatal(err)
	}
	h.run("stop") // there may be no words in it
	if got := lines(recorderLog, "recording_started", started.ID); len(got) != 1 || got[0] != wanted {
		t.Errorf("the recorder has %q", got)
	}
}

// What keeps text from coming is said before anybody speaks, and nothing is recorded.
func TestDictationsWithoutTextSaySoBefore(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	for situation, c := range map[string]struct {
		args []string
		env  string
		code int
		says string
	}{
		"a language that no model knows": {[]string{"--language", "zu"}, "", 1, "Zulu"},
		"that of the system":             {nil, "LC_ALL=zu_ZA.UTF-8", 1, "Zulu"},
		"a word that is no language":     {[]string{"--language", "no language"}, "", 2, "no language"},
		"a model that is not installed":  {[]string{"--model", "whisper-medium"}, "", 1, "scout models pull"},
	} {
		cmd := h.command(append([]string{"dictate", "--device", "file:" + clip}, c.args...)...)
		if c.env != "" {
			cmd.Env = append(cmd.Env, c.env)
		}
		got := h.launch(cmd).end()
		if got.code != c.code || !strings.Contains(got.err, c.says) || got.out != "" {
			t.Errorf("%s: exit %d: %q %s", situation, got.code, got.out, got.err)
		}
	}
	if all, _, err := h.folder().List(); err != nil || len(all) > 0 {
		t.Errorf("%d recordings, %v", len(all), err)
	}
}

// Esc ends a dictation without text and keeps the audio; Enter ends it with its text; a terminal shows grey text, a pipe nothing.
func TestKeysOfADictation(t *testing.T) {
	t.Parallel()
	needModel(t)
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("script is not installed (Debian: bsdutils)")
	}
	for situation, c := range map[string]struct {
		key  string
		want func(screen string, m int) string
	}{
		"Esc": {"\x1b", func(screen string, texts int) string {
			if !strings.Contains(screen, "the audio is kept") || texts != 0 {
				return "cancelled"
			}
			return ""
		}},
		"Enter": {"\r", func(screen string, texts int) string {
			if !strings.Contains(screen, "\x1b[90m") || !strings.Contains(screen, "fellow") || texts != 1 {
				return "grey text, and text"
			}
			return ""
		}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := inHouse(quietBooth(t))
			h.must("status")
			inner := h.command("dictate", "--device", "file:"+clip)
			cmd := exec.CommandContext(t.Context(), "script", "-qefc", strings.Join(inner.Args, " "), "/dev/null")
			cmd.Env, cmd.Dir = append(slices.Clone(inner.Env), "TERM=xterm"), inner.Dir
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			p := h.launch(cmd)
			h.untilFrames(4 * 16_000)
			if _, err := in.Write([]byte(c.key)); err != nil {
				t.Fatal(err)
			}
			got := p.end()
			if missing := c.want(got.out+got.err, len(h.texts("list"))); missing != "" {
				t.Errorf("want %s: %q", missing, got.out+got.err)
			}
			if m := h.only(); m.State != "finished" || m.Frames < 3*16_000 {
				t.Errorf("recording: %s, %d frames", m.State, m.Frames)
			}
		})
	}
}

// A listener that comes late gets every event again, and the same ones each time.
func TestEventsOfADictationAreReplayed(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	p := h.start("dictate", "--json", "--device", "file:"+clip, "--duration", "5s")
	got := p.end()
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.err)
	}
	all, _ := eventsIn(t, got.out)
	c := h.client()
	defer c.Close()
	var list v1.Page[v1.TranscriptSummary]
	if err := c.Get(t.Context(), "/transcripts?limit=1", &list); err != nil || len(list.Data) != 1 {
		t.Fatal(err, list)
	}
	for _, after := range []uint64{0, 2} {
		var again []event.Event
		if err := c.Stream(t.Context(), "/live/"+list.Data[0].ID+"/events?after="+strconv.FormatUint(after, 10), streamInto(t, &again)); err != nil {
			t.Fatal(err)
		}
		kept := slices.DeleteFunc(slices.Clone(all), func(e event.Event) bool { return e.Seq <= after })
		if len(again) == len(kept)+1 && again[len(again)-1].State == event.Done { // the command left before it
			again = again[:len(again)-1]
		}
		if len(again) != len(kept) {
			t.Fatalf("after %d: %d events, want %d", after, len(again), len(kept))
		}
		for i := range kept {
			if again[i].Seq != kept[i].Seq || again[i].Text != kept[i].Text || again[i].Type != kept[i].Type {
				t.Errorf("event %d is %+v, was %+v", i, again[i], kept[i])
			}
		}
	}
	if err := c.Stream(t.Context(), "/live/20200101T000000000Z-000000000000/events", streamInto(t, new([]event.Event))); err == nil {
		t.Error("there are events of a dictation that never was")
	}
}

func streamInto(t *testing.T, all *[]event.Event) func(client.StreamEvent) bool {
	t.Helper()
	return func(raw client.StreamEvent) bool {
		var e event.Event
		if err := json.Unmarshal(raw.Data, &e); err != nil || e.Seq != raw.ID {
			t.Errorf("%v: %s", err, raw.Data)
		}
		if e.Seq > 0 {
			*all = append(*all, e)
		}
		return true
	}
}

// A command that names another folder of recordings than the daemon's is refused before anything is recorded.
func TestADaemonThatRecordsElsewhereRecordsNothing(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.status()
	for _, command := range [][]string{{"start"}, {"dictate"}, {"toggle", "--print"}} {
		got := h.run(append(command, "--device", "tone:440", "--recordings-dir", t.TempDir())...)
		if got.code == 0 || !strings.Contains(got.err, "records into") {
			t.Errorf("%v: exit %d: %s", command, got.code, got.err)
		}
	}
	if got := h.must("toggle", "--print", "--device", "tone:440"); !strings.Contains(got.err, "listening") { // it would stop what has begun
		t.Errorf("the next toggle: %s", got.err)
	}
	h.must("record", "stop")
}
