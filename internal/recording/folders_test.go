package recording_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// house is a folder of a recorder and one of uploads, each with one recording; the upload is the older one.
func house(t *testing.T) (folders recording.Folders, recorded, sent recording.ID) {
	t.Helper()
	uploads, sent := imported(t)
	recorder, _ := openFolder(t)
	return recording.Folders{recorder, uploads}, finish(t, create(t, recorder, speech)).ID, sent
}

// Several folders are one for those who look for a recording.
func TestFoldersKnowEveryRecording(t *testing.T) {
	t.Parallel()
	folders, recorded, sent := house(t)
	for situation, c := range map[string]struct {
		part string
		want recording.ID
		in   *recording.Folder
		code scout.Code
	}{
		"of the recorder":     {string(recorded), recorded, folders[0], ""},
		"an upload":           {string(sent), sent, folders[1], ""},
		"the end of its id":   {string(sent[20:]), sent, folders[1], ""},
		"one in each of them": {"20", "", nil, scout.CodeInvalidArgument},
		"one in none":         {"xyz", "", nil, scout.CodeRecordingNotFound},
		"nothing":             {"", "", nil, scout.CodeRecordingNotFound},
	} {
		if got, err := folders.Find(c.part); got.ID != c.want || got.Folder != c.in || scout.CodeOf(err) != c.code {
			t.Errorf("%s: %+v, %v; want %s, %s", situation, got, err, c.want, c.code)
		}
	}
	list, problems, err := folders.List()
	if err != nil || len(problems) != 0 || len(list) != 2 || list[0].ID != sent || list[0].Folder != folders[1] || list[0].Title() != "talk.mp3" || list[1].ID != recorded {
		t.Errorf("%+v, %v, %v", list, problems, err)
	}
	if err := folders.Of(sent).Trash(sent); err != nil {
		t.Fatal(err)
	}
	if trashed, err := folders.Trashed(); err != nil || len(trashed) != 1 || trashed[0] != sent {
		t.Errorf("in the trash %v, %v", trashed, err)
	}
	if got, err := folders.FindTrashed(string(sent[:12])); err != nil || got.ID != sent || got.Folder != folders[1] {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := folders.Find(string(sent)); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("it is still found: %v", err)
	}
}

func TestFoldersAreFoundWhereTheyAre(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	recordings := filepath.Join(data, "takes")
	if found, err := recording.FindFolders(recordings, data); err != nil || len(found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) != 0 {
		t.Errorf("a look made %v, %v", entries, err)
	}
	all, err := recording.OpenFolders(recordings, data)
	if err != nil || all.From(recording.SourceMicrophone) != all[0] || all[0].Dir() != recordings || all.From(recording.SourceUpload).Dir() != filepath.Join(data, "uploads") {
		t.Fatalf("%s, %v", all.Dirs(), err)
	}
	if found, err := recording.FindFolders(recordings, data); err != nil || found.Dirs() != all.Dirs() || found[1].Source() != recording.SourceUpload {
		t.Errorf("%s, %v; want %s", found.Dirs(), err, all.Dirs())
	}
	if found, err := recording.FindFolders(recordings, ""); err != nil || found.Dirs() != recordings {
		t.Errorf("of the recorder alone: %s, %v", found.Dirs(), err)
	}
}

// What a crash or another program did to uploads is repaired or told, and the file is left as it is.
func TestUploadsAreRepaired(t *testing.T) {
	t.Parallel()
	trash := func(folder *recording.Folder) string { return filepath.Join(folder.Dir(), "trash") }
	for situation, c := range map[string]struct {
		damage func(folder *recording.Folder, id recording.ID) error
		intact bool
		code   scout.Code // of the problem
		left   bool       // in the folder
	}{
		"nothing is wrong": {func(*recording.Folder, recording.ID) error { return nil }, true, "", true},
		"half of it in the trash": {func(folder *recording.Folder, id recording.ID) error {
			if err := os.Mkdir(trash(folder), 0o700); err != nil {
				return err
			}
			return os.Rename(folder.AudioPath(id), filepath.Join(trash(folder), filepath.Base(folder.AudioPath(id))))
		}, false, "", false},
		"cut off":      {func(folder *recording.Folder, id recording.ID) error { return os.Truncate(folder.AudioPath(id), 2) }, false, scout.CodeRecordingCorrupt, true},
		"without file": {func(folder *recording.Folder, id recording.ID) error { return os.Remove(folder.AudioPath(id)) }, false, scout.CodeRecordingNotFound, true},
		"a manifest": {func(folder *recording.Folder, id recording.ID) error {
			return os.WriteFile(folder.ManifestPath(id), []byte("{"), 0o600)
		}, false, scout.CodeRecordingCorrupt, true},
		"no manifest":   {func(folder *recording.Folder, id recording.ID) error { return os.Remove(folder.ManifestPath(id)) }, false, scout.CodeRecordingNotFound, true},
		"both are gone": {func(folder *recording.Folder, id recording.ID) error { return folder.Delete(id) }, true, "", false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			folder, id := imported(t)
			if err := c.damage(folder, id); err != nil {
				t.Fatal(err)
			}
			if intact, _, err := folder.Intact(); intact != c.intact || err != nil {
				t.Errorf("intact %t, %v", intact, err)
			}
			for range 2 { // repeating it changes nothing
				report, err := folder.Recover()
				if err != nil || len(report.Repaired) != 0 || (len(report.Problems) == 1) != (c.code != "") || c.code != "" && scout.CodeOf(report.Problems[0].Err) != c.code {
					t.Errorf("%+v, %v; want %s", report, err, c.code)
				}
			}
			seen, err := folder.Sight(id)
			if left := err == nil && !seen.Trashed; left != c.left {
				t.Errorf("%+v, %v", seen, err)
			}
		})
	}
}
