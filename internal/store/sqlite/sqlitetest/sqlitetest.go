// Package sqlitetest opens databases for tests of what uses a store. Making the tables takes a twentieth of a second, and more under the race
// detector: it is done once by each program of tests. The tests of the store itself make their own.
package sqlitetest

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/scout-speech/scout/internal/store/sqlite"
)

// Open is sqlite.Open for a test, which fails where that does. The caller closes the store.
func Open(t testing.TB, path string, options sqlite.Options) *sqlite.Store {
	t.Helper()
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		content, err := empty()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	st, err := sqlite.Open(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// empty is the file of a database in which nothing is yet, not even the time at which its clock began.
var empty = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "scout-empty-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, sqlite.FileName)
	st, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	if err := st.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", path) // the driver of the store
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(context.Background(), "DELETE FROM clock")
	if err := errors.Join(err, db.Close()); err != nil { // which writes the log into the file
		return nil, err
	}
	return os.ReadFile(path)
})
