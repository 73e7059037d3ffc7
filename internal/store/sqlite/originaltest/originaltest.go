// Package originaltest makes databases of the original Scout for tests.
package originaltest

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver
)

// The tables with texts of the first and of the last version, and the table with their models.
const (
	First   = `CREATE TABLE transcripts (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, duration_ms INTEGER NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, metadata TEXT)`
	Last    = `CREATE TABLE transcripts (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, duration_ms INTEGER NOT NULL, created_at TEXT DEFAULT (datetime('now')), metadata TEXT, audio_path TEXT, file_size INTEGER, audio_metadata TEXT)`
	Figures = `CREATE TABLE performance_metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, transcript_id INTEGER, model_used TEXT)`
)

// Open makes a database by statements, which stays open until the test ends, as that of a program that runs.
func Open(t testing.TB, statements ...string) (path string, db *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "scout.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // it may be closed
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return path, db
}

// Write is Open of a database whose program has ended.
func Write(t testing.TB, statements ...string) (path string) {
	t.Helper()
	path, db := Open(t, statements...)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
