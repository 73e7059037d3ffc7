package sqlite_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// Calls that are cancelled at any moment leave every connection as it was: no transaction stays open in it.
func TestCancelledCallsLeaveNothingOpen(t *testing.T) {
	t.Parallel()
	const readers = 3
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{Readers: readers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var callers sync.WaitGroup
	for caller := range uint64(8) {
		rng := rand.New(rand.NewPCG(1, caller))
		callers.Go(func() {
			for range 150 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(400))*time.Microsecond)
				_, _ = db.Events(ctx, store.LiveStream("x"), 0, 10)
				_ = db.Update(ctx, func(store.Tx) error { return nil })
				cancel()
			}
		})
	}
	callers.Wait()
	for range readers { // one after the other, each connection is used
		if _, err := db.Events(t.Context(), store.LiveStream("x"), 0, 10); err != nil {
			t.Errorf("read: %v", err)
		}
	}
	if err := db.Update(t.Context(), func(store.Tx) error { return nil }); err != nil {
		t.Errorf("write: %v (%s)", err, scout.CodeOf(err))
	}
}
