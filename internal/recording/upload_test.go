package recording_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// imported is a folder of uploads with one file in it.
func imported(t *testing.T) (folder *recording.Folder, id recording.ID) {
	t.Helper()
	folder, err := recording.OpenUploads(filepath.Join(t.TempDir(), "uploads"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder.Dir(), ".incoming")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 28, 22, 0, 0, 0, time.UTC)
	m := recording.Manifest{
		ID: recording.NewID(at), StartedAt: at, EndedAt: at, SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		Upload: &recording.Upload{MediaType: "audio/mpeg", Bytes: 3, Title: "talk.mp3", Client: "key_a"},
	}
	for range 2 { // repeating it does no harm
		if err := folder.Import(m, path); err != nil {
			t.Fatal(err)
		}
	}
	return folder, m.ID
}

// An upload is moved, restored, checked and deleted as any other recording.
func TestAnUploadIsARecording(t *testing.T) {
	t.Parallel()
	folder, id := imported(t)
	m, err := folder.Manifest(id)
	if err != nil || m.State != recording.StateFinished || m.Upload == nil || m.Upload.Client != "key_a" || m.Duration() != 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	if err := folder.Heard(id, 90*time.Second); err != nil {
		t.Error(err)
	}
	if m, err := folder.Verify(id); err != nil || m.Duration() != 90*time.Second {
		t.Errorf("%+v, %v", m, err)
	}
	if err := folder.Trash(id); err != nil {
		t.Error(err)
	}
	if seen, err := folder.Sightings(); err != nil || !seen[id].Trashed || seen[id].AudioBytes != 3 {
		t.Errorf("%+v, %v", seen, err)
	}
	if err := folder.Restore(id); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(folder.AudioPath(id), []byte("abd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Verify(id); scout.CodeOf(err) != scout.CodeRecordingCorrupt {
		t.Errorf("a byte is another one: %v", err)
	}
	if err := folder.Delete(id); err != nil {
		t.Error(err)
	}
	if _, err := folder.Sight(id); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("after it was deleted: %v", err)
	}
}

func TestAnUploadIsGivenBack(t *testing.T) {
	t.Parallel()
	folder, id := imported(t)
	back := filepath.Join(folder.Dir(), ".back")
	if err := folder.Withdraw(id, back); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(back); err != nil || string(content) != "abc" {
		t.Errorf("%q, %v", content, err)
	}
	if _, err := folder.Sight(id); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("there is still something: %v", err)
	}
}

// Several folders are one for those who look for a recording.
func TestFoldersFindARecording(t *testing.T) {
	t.Parallel()
	uploads, id := imported(t)
	recorded, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	folders := recording.Folders{recorded, uploads}
	if folders.Of(id) != uploads || folders.AudioPath(id) != uploads.AudioPath(id) || folders.Of("none") != recorded {
		t.Error("the wrong folder")
	}
	if used, err := folders.InUse(id); err != nil || used {
		t.Errorf("in use: %t, %v", used, err)
	}
	if err := folders.Delete(id); err != nil {
		t.Error(err)
	}
	if _, err := folders.Manifest(id); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("after it was deleted: %v", err)
	}
}
