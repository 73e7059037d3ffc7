//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/recording"
)

// sent uploads files and returns what the command says about them.
func (h *house) sent(args ...string) (all []uploaded) {
	h.t.Helper()
	var out struct{ Uploaded []uploaded }
	if err := json.Unmarshal([]byte(h.must(append([]string{"upload", "--json"}, args...)...).out), &out); err != nil {
		h.t.Fatal(err)
	}
	return out.Uploaded
}

// A file becomes a recording with a text, once.
func TestAFileIsUploaded(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	clip, err := os.ReadFile("../../testdata/jfk.wav")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "speech.wav")
	if err := os.WriteFile(path, clip, 0o600); err != nil {
		t.Fatal(err)
	}
	first := h.sent("--tag", "talk", path)
	if len(first) != 1 || first[0].Path != path || first[0].Bytes != int64(len(clip)) || first[0].Already || first[0].Job == "" {
		t.Fatalf("%+v", first)
	}
	if got := h.must("jobs", "wait", first[0].Job).out; !strings.Contains(got, "succeeded") {
		t.Errorf("wait:\n%s", got)
	}
	if got := h.must("transcripts", "show", first[0].Recording).out; !strings.Contains(strings.ToLower(got), "ask not what your country") {
		t.Errorf("text %q", got)
	}
	if again := h.sent("--tag", "talk", path); len(again) != 1 || !again[0].Already || again[0].Recording != first[0].Recording || again[0].Job != first[0].Job {
		t.Errorf("sent again: %+v, want %+v", again, first)
	}
	if forced := h.sent("--tag", "talk", "--force", "--no-text", path); len(forced) != 1 || forced[0].Already || forced[0].Recording == first[0].Recording || forced[0].Job != "" {
		t.Errorf("forced: %+v", forced)
	}
	empty := filepath.Join(t.TempDir(), "empty.wav")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := h.run("upload", empty); got.code != 1 || got.out != "" || !strings.Contains(got.err, "it has 0 bytes") {
		t.Errorf("a file of nothing: code %d, %q", got.code, got.err)
	}
	h.must("recordings", "trash", first[0].Recording)
	if got := h.run("upload", "--tag", "talk", path); got.code != 1 || got.out != "" || !strings.Contains(got.err, "scout recordings restore "+first[0].Recording) {
		t.Errorf("sent again, in the trash: exit %d, %q, %q", got.code, got.out, got.err)
	}
	h.must("recordings", "restore", first[0].Recording)
	h.sent("--tag", "talk", path)
	if got := h.run("upload", filepath.Join(t.TempDir(), "none.wav"), path); got.code != 1 || !strings.Contains(got.err, "none.wav") || !strings.Contains(got.out, "Z-") {
		t.Errorf("a file that is not there, and one that is: exit %d, %q, %q", got.code, got.out, got.err)
	}
	if got := h.run("upload", "--model", "none", "--force", path); got.code != 1 || !strings.Contains(got.err, "none") {
		t.Errorf("a model that is not there: exit %d, %q", got.code, got.err)
	}
}

// A file arrives whole although the daemon is killed again and again while it is sent: the command goes on where it was.
func TestAnUploadSurvivesKilledDaemons(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	const size, kills = 128 << 20, 4
	content := make([]byte, 0, size)
	for n := uint64(0); len(content) < size; n++ {
		content = binary.LittleEndian.AppendUint64(content, n)
	}
	path := filepath.Join(t.TempDir(), "large.wav")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sending := h.start("upload", "--json", "--no-text", "--quiet", path)
	killed := 0
	for next := rand.N[int64](size / kills); killed < kills; {
		there := h.incoming()
		if there < 0 {
			break // it has arrived
		}
		if there < next {
			time.Sleep(time.Millisecond) // the file tells nobody that it grows
			continue
		}
		if holder, running := h.holder(); running && syscall.Kill(holder.PID, syscall.SIGKILL) == nil {
			killed++
			next = there + rand.N[int64](size/kills)
		}
	}
	got := sending.end()
	var out struct{ Uploaded []uploaded }
	if err := json.Unmarshal([]byte(got.out), &out); err != nil || got.code != 0 || len(out.Uploaded) != 1 {
		t.Fatalf("exit %d after %d kills: %s%s", got.code, killed, got.out, got.err)
	}
	if killed == 0 {
		t.Error("no daemon was killed: the test tests nothing")
	}
	folder, err := recording.OpenUploads(filepath.Join(h.data, "uploads"))
	if err != nil {
		t.Fatal(err)
	}
	arrived, err := os.ReadFile(folder.AudioPath(recording.ID(out.Uploaded[0].Recording)))
	if err != nil || !bytes.Equal(arrived, content) {
		t.Errorf("%d bytes arrived, or other ones than the %d that were sent: %v", len(arrived), len(content), err)
	}
	if _, err := folder.Verify(recording.ID(out.Uploaded[0].Recording)); err != nil {
		t.Error(err)
	}
}

// incoming is how many bytes of the only upload are there; less than 0 if it has become a recording.
func (h *house) incoming() int64 {
	h.t.Helper()
	if done, err := filepath.Glob(filepath.Join(h.data, "uploads", "*.audio")); err != nil || len(done) > 0 {
		return -1
	}
	parts, err := filepath.Glob(filepath.Join(h.data, "uploads", ".incoming", "*.part"))
	if err != nil || len(parts) == 0 {
		return 0
	}
	info, err := os.Stat(parts[0])
	if err != nil {
		return 0
	}
	return info.Size()
}
