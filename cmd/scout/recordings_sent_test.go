//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// send makes a recording of a file as an upload does, without the daemon.
func (b *booth) send(title, content string) recording.ID {
	b.t.Helper()
	folder, err := recording.OpenUploads(filepath.Join(b.data, "uploads"))
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(folder.Dir(), ".part")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	sum, at := sha256.Sum256([]byte(content)), time.Now()
	m := recording.Manifest{
		ID: recording.NewID(at), StartedAt: at, EndedAt: at, SHA256: hex.EncodeToString(sum[:]),
		Upload: &recording.Upload{MediaType: "audio/mpeg", Bytes: int64(len(content)), Title: title},
	}
	if err := folder.Import(m, path); err != nil {
		b.t.Fatal(err)
	}
	return m.ID
}

// Commands know what was uploaded as they know what was recorded, also while no daemon runs.
func TestCommandsKnowWhatWasSent(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	w, err := b.folder().Create(recording.Settings{Format: scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16}, StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.must("recordings", "list").out; strings.Contains(got, "SOURCE") {
		t.Errorf("all are from the microphone:\n%s", got)
	}
	id := string(b.send("talk.mp3", "no music"))
	has := func(want string, args ...string) {
		t.Helper()
		if got := b.must(args...); !strings.Contains(got.out, want) {
			t.Errorf("scout %s: %s%s, want %q", strings.Join(args, " "), got.out, got.err, want)
		}
	}
	for _, want := range []string{"SOURCE", "TITLE", id, "talk.mp3", "upload", string(recorded.ID), "microphone", "audio/mpeg", "unknown"} {
		has(want, "recordings", "list")
	}
	var list struct {
		Dir        string `json:"recordings_dir"`
		Recordings []struct{ ID, Source, Title, Path string }
	}
	if err := json.Unmarshal([]byte(b.must("recordings", "list", "--json").out), &list); err != nil || list.Dir != b.dir || len(list.Recordings) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if r := list.Recordings[1]; r.ID != id || r.Source != "upload" || r.Title != "talk.mp3" || !strings.HasSuffix(r.Path, id+".audio") || list.Recordings[0].Source != "microphone" {
		t.Errorf("%+v", list.Recordings)
	}
	has("talk.mp3", "recordings", "show", id[20:])
	has(id+" is intact", "recordings", "verify")
	has(id+"\t", "__complete", "recordings", "show", "")
	if alone := b.must("recordings", "list", "--recordings-dir", b.dir).out; strings.Contains(alone, id) || !strings.Contains(alone, string(recorded.ID)) {
		t.Errorf("of the folder that is named:\n%s", alone)
	}
	if got := b.run("recordings", "attach", id); got.code != 1 || !strings.Contains(got.err, "upload") {
		t.Errorf("attach: exit %d: %s", got.code, got.err)
	}
	if got := b.run("transcribe", "--format", "txt", "--output", list.Recordings[1].Path, "--force", "../../testdata/jfk.wav"); got.code == 0 || !strings.Contains(got.err, "belongs to Scout") {
		t.Errorf("an output over an upload: exit %d: %s", got.code, got.err)
	}
	has(id, "recordings", "trash", id)
	if got := b.must("recordings", "list").out; strings.Contains(got, id) {
		t.Errorf("in the trash:\n%s", got)
	}
	has(id, "recordings", "restore")
	has(id+"\n", "__complete", "recordings", "restore", "")
	has("is back in", "recordings", "restore", id)
	path := filepath.Join(b.data, "uploads", id+".audio")
	if err := os.WriteFile(path, []byte("no musik"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := b.run("recordings", "verify", id); got.code != 1 || !strings.Contains(got.err, "checksum") {
		t.Errorf("verify: exit %d: %s", got.code, got.err)
	}
	if err := os.WriteFile(path, []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := b.run("recordings", "recover", "--json"); got.code != 1 || !strings.Contains(got.out, "recording_corrupt") {
		t.Errorf("recover: exit %d: %s%s", got.code, got.out, got.err)
	}
	has(id, "recordings", "delete", "--yes", id)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	has(string(recorded.ID), "recordings", "list")
}

// A title that was set later is listed, with and without a daemon, and one that was taken away is not.
func TestTitlesThatWereSetLater(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	id := h.recorded(1)
	path := filepath.Join(t.TempDir(), "speech.wav")
	if err := os.WriteFile(path, []byte("not much of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	sent := h.sent("--no-text", path)
	h.must("recordings", "title", id, "Monday's meeting")
	for range 2 {
		if got := h.must("recordings", "list").out; !strings.Contains(got, "Monday's meeting") || !strings.Contains(got, "speech.wav") {
			t.Errorf("listed:\n%s", got)
		}
		if got := h.must("recordings", "show", id).out; !strings.Contains(got, "Monday's meeting") {
			t.Errorf("shown:\n%s", got)
		}
		h.must("serve", "stop")
	}
	h.must("recordings", "title", sent[0].Recording, "")
	if got := h.must("recordings", "list").out; strings.Contains(got, "speech.wav") {
		t.Errorf("listed:\n%s", got)
	}
}
