package daemon

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// Each file counts once, as what it is, wherever the folders lie.
func TestWhatIsStoredWhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	elsewhere := t.TempDir()
	for name, bytes := range map[string]int{
		"scout.db": 10, "scout.db-wal": 5, "daemon.log": 3, "daemon-2026-11-30T08-00-00.000.log.gz": 2, "daemon.output": 1, "sessions.json": 4, "daemon.lock": 1,
		"uploads/a.audio": 100, "uploads/trash/b.audio": 50, "uploads/.a.peaks": 7, "exports/job.zip": 20, "received/c": 8, "models/tiny/weights": 1000, "notes/x": 2, "settings.toml": 6,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, bytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(elsewhere, "r.wav"), make([]byte, 300), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &found{log: filepath.Join(dir, "daemon.log"), settings: filepath.Join(dir, "settings.toml"), kinds: map[string]*v1.Stored{}, places: []place{
		{dir, v1.StoredOther, false},
		{elsewhere, v1.StoredRecordings, true},
		{filepath.Join(dir, "uploads"), v1.StoredUploads, true},
		{filepath.Join(dir, "exports"), v1.StoredExports, false},
		{filepath.Join(dir, "received"), v1.StoredWork, false},
		{filepath.Join(dir, "models"), v1.StoredModels, false},
		{filepath.Join(dir, "not there"), v1.StoredWork, false},
	}}
	for _, p := range f.places {
		if p.kind != v1.StoredOther && f.inside(p.dir) {
			continue
		}
		if err := f.walk(t.Context(), p.dir); err != nil {
			t.Fatal(err)
		}
	}
	f.alone(f.settings, v1.StoredSettings) // it was met
	want := map[string]v1.Stored{
		v1.StoredDatabase:   {Path: filepath.Join(dir, "scout.db"), Bytes: 15, Files: 2},
		v1.StoredLog:        {Path: filepath.Join(dir, "daemon.log"), Bytes: 6, Files: 3},
		v1.StoredSettings:   {Path: filepath.Join(dir, "settings.toml"), Bytes: 6, Files: 1},
		v1.StoredSessions:   {Path: filepath.Join(dir, "sessions.json"), Bytes: 4, Files: 1},
		v1.StoredUploads:    {Path: filepath.Join(dir, "uploads"), Bytes: 100, Files: 1},
		v1.StoredTrash:      {Path: filepath.Join(dir, "uploads", "trash"), Bytes: 50, Files: 1},
		v1.StoredOutlines:   {Path: filepath.Join(dir, "uploads"), Bytes: 7, Files: 1},
		v1.StoredExports:    {Path: filepath.Join(dir, "exports"), Bytes: 20, Files: 1},
		v1.StoredWork:       {Path: filepath.Join(dir, "received"), Bytes: 8, Files: 1},
		v1.StoredModels:     {Path: filepath.Join(dir, "models"), Bytes: 1000, Files: 1},
		v1.StoredRecordings: {Path: elsewhere, Bytes: 300, Files: 1},
		v1.StoredOther:      {Path: dir, Bytes: 3, Files: 2},
	}
	for kind, one := range want {
		one.Kind = kind
		if got := f.kinds[kind]; got == nil || *got != one {
			t.Errorf("%s: %+v, want %+v", kind, got, one)
		}
		delete(f.kinds, kind)
	}
	if len(f.kinds) > 0 {
		t.Errorf("and %v", f.kinds)
	}
	logs := olderLogs(f.log)
	if n, err := removeFiles(append(logs, filepath.Join(dir, "gone")), "a file"); n != 1 || err != nil {
		t.Errorf("of %v, %d were removed: %v", logs, n, err)
	}
	if _, err := os.Stat(f.log); err != nil {
		t.Errorf("the log of the present: %v", err)
	}
}

func TestAddressesOfThisMachine(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]bool{
		"http://127.0.0.1:9/hook": true, "http://localhost/hook": true, "http://[::1]:4318": true, "https://example.org/hook": false, "http://192.168.1.5:80": false, "://": false,
	} {
		if got := here(at); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}
