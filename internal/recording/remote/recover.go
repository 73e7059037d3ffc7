package remote

import (
	"context"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// endsIdleWithin is how long an idle recorder may take to end after the request.
const endsIdleWithin = 2 * time.Second

// Recover repairs the folder, after ending an idle recorder there. During a recording the error has
// scout.CodeRecordingLocked and nothing is changed.
func Recover(ctx context.Context, folder *recording.Folder) (recording.RepairReport, error) {
	report, err := folder.Recover()
	if scout.CodeOf(err) != scout.CodeRecordingLocked {
		return report, err
	}
	client, dialErr := Dial(ctx, folder.Dir(), Options{Name: "scout recordings recover"})
	// Without a recorder to talk to, the last one is just ending, or its parent is about to start another one.
	for deadline := time.Now().Add(endsIdleWithin); dialErr != nil; client, dialErr = Dial(ctx, folder.Dir(), Options{Name: "scout recordings recover"}) {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return recording.RepairReport{}, err
		}
		time.Sleep(10 * time.Millisecond)
		if report, err = folder.Recover(); scout.CodeOf(err) != scout.CodeRecordingLocked {
			return report, err
		}
	}
	defer func() { _ = client.Close() }() // it has ended, or continues
	if endErr := client.shutdownIdle(ctx); endErr != nil {
		if scout.CodeOf(endErr) == scout.CodeAlreadyRecording {
			return recording.RepairReport{}, err
		}
		return recording.RepairReport{}, endErr
	}
	select {
	case <-client.Done():
	case <-ctx.Done():
		return recording.RepairReport{}, context.Cause(ctx)
	}
	// The connection closes a moment before the lock does, and the parent ends after that.
	for deadline := time.Now().Add(endsIdleWithin); ; time.Sleep(10 * time.Millisecond) {
		report, err = folder.Recover()
		if scout.CodeOf(err) != scout.CodeRecordingLocked || time.Now().After(deadline) {
			return report, err
		}
	}
}
