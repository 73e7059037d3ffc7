package remote

import (
	"context"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// LockIdle takes the lock of a folder, from a recorder that records nothing by ending that.
func LockIdle(ctx context.Context, folder *recording.Folder) (*recording.Lock, error) {
	lock, err := recording.TakeLock(folder.Dir())
	if scout.CodeOf(err) != scout.CodeRecordingLocked {
		return lock, err
	}
	client, dialErr := Dial(ctx, folder.Dir(), Options{Name: "scout recordings recover"})
	if dialErr != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }() // it ended, or goes on
	if endErr := client.ShutdownIdle(ctx); endErr != nil {
		if scout.CodeOf(endErr) == scout.CodeAlreadyRecording {
			return nil, err
		}
		return nil, endErr
	}
	select {
	case <-client.Done():
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	// The connection closes a moment before the lock does.
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		lock, err = recording.TakeLock(folder.Dir())
		if scout.CodeOf(err) != scout.CodeRecordingLocked || time.Now().After(deadline) {
			return lock, err
		}
	}
}
