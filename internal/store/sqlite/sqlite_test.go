package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// open opens the database at path and closes it when the test ends.
func open(t *testing.T, path string, options sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, options)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		t.Helper()
		return open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{Now: now})
	})
}
