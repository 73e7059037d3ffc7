package remote

import (
	"context"
	"errors"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// Change moves or deletes a recording that ended: under the lock of the folder, or where a recorder holds
// that by asking it.
func Change(ctx context.Context, folder *recording.Folder, id recording.ID, what recording.ChangeKind) error {
	lock, err := recording.TakeLock(folder.Dir())
	if err == nil {
		return errors.Join(folder.Change(lock, id, what), lock.Close())
	}
	if scout.CodeOf(err) != scout.CodeRecordingLocked {
		return err
	}
	client, dialErr := Dial(ctx, folder.Dir(), Options{Name: "scout recordings"})
	if dialErr != nil {
		return scout.Errorf(scout.CodeRecordingLocked, "%s recording %s: %w, and no recorder answers there", what, id, err).
			WithHint("end the process that uses the folder, then try again")
	}
	defer func() { _ = client.Close() }() // it answered
	return client.Change(ctx, id, what)
}
