package retention

import (
	"context"
	"errors"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// purgeBatch is how many recordings are purged in one step.
const purgeBatch = 100

// PurgeAll removes everything that was said: all recordings with audio, texts and what the store knows about them, also those in the trash. With trash
// it removes what lies there, and nothing else.
//
// What is being recorded, decoded live, or open in a program is left and counted in Swept.InUse. Whatever interrupts it, what has begun is completed by
// the next sweep, and calling it again removes the rest.
func (s *Sweeper) PurgeAll(ctx context.Context, trash bool) (Swept, error) {
	var swept Swept
	var errs []error
	for _, deleted := range []bool{true, false} {
		if trash && !deleted {
			break
		}
		ids, err := s.recordings(ctx, deleted)
		errs = append(errs, err)
		for batch := range slices.Chunk(ids, purgeBatch) {
			if ctx.Err() != nil {
				return swept, context.Cause(ctx)
			}
			errs = append(errs, s.purgeBatch(ctx, batch, &swept))
		}
	}
	if trash {
		errs = append(errs, s.purgeTexts(ctx, &swept))
	}
	return swept, joined(errs)
}

// recordings are the ids of all recordings in the trash, or of all others.
func (s *Sweeper) recordings(ctx context.Context, deleted bool) (ids []string, err error) {
	for page := (store.Page{Limit: 200, Order: store.Ascending, NoText: true}); ; {
		list, err := s.store.Recordings(ctx, store.Filter{Deleted: deleted}, page)
		if err != nil {
			return ids, err
		}
		for i := range list.Data {
			ids = append(ids, list.Data[i].ID)
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			return ids, nil
		}
	}
}

// purgeBatch purges those of some recordings that nobody uses.
func (s *Sweeper) purgeBatch(ctx context.Context, ids []string, swept *Swept) error {
	for _, id := range ids {
		s.ending(ctx, recording.ID(id))
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	free, err := s.free(ctx, ids, swept)
	if err != nil || len(free) == 0 {
		return err
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		for _, id := range free {
			if err := tx.AskPurge(id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.purgeAsked(context.WithoutCancel(ctx), free, swept)
}

// purgeAsked removes the audio of recordings that are to be purged, and then what the store has of them.
func (s *Sweeper) purgeAsked(ctx context.Context, ids []string, swept *Swept) error {
	var errs []error
	gone := make([]string, 0, len(ids))
	for _, id := range ids {
		switch err := s.folder.Delete(recording.ID(id)); scout.CodeOf(err) {
		case "", scout.CodeRecordingNotFound:
			gone = append(gone, id)
		default:
			errs = append(errs, err) // the next sweep tries again
		}
	}
	if err := s.store.Purge(ctx, gone...); err != nil {
		return errors.Join(append(errs, err)...)
	}
	s.purged(gone...)
	swept.Recordings += len(gone)
	s.metrics.removed.WithLabelValues("recording").Add(float64(len(gone)))
	return joined(errs)
}

// free are those of some recordings that nobody makes or uses; the others are counted.
func (s *Sweeper) free(ctx context.Context, ids []string, swept *Swept) (free []string, err error) {
	open, err := s.store.LiveSessions(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		live := slices.ContainsFunc(open, func(session store.Stream) bool { return store.LiveRecording(session.Name) == id })
		m, manifestErr := s.folder.Manifest(recording.ID(id))
		used, err := s.folder.InUse(recording.ID(id))
		if err != nil {
			return free, err
		}
		if live || used || manifestErr == nil && m.State == recording.StateRecording {
			s.inUse(store.Expired{Recording: id}, swept)
			continue
		}
		free = append(free, id)
	}
	return free, nil
}

// purgeTexts removes the texts that are in the trash without their recordings.
func (s *Sweeper) purgeTexts(ctx context.Context, swept *Swept) error {
	var keys []store.Key
	for page := (store.Page{Limit: 200, Order: store.Ascending, NoText: true}); ; {
		list, err := s.store.Transcripts(ctx, store.Filter{Deleted: true}, page)
		if err != nil {
			return err
		}
		for i := range list.Data {
			keys = append(keys, list.Data[i].Key)
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			break
		}
	}
	if len(keys) == 0 {
		return nil
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if err := s.store.PurgeTexts(context.WithoutCancel(ctx), keys...); err != nil {
		return err
	}
	for _, key := range keys {
		s.purged(key.Recording)
	}
	swept.Texts += len(keys)
	s.metrics.removed.WithLabelValues("text").Add(float64(len(keys)))
	return nil
}
