package store

import (
	"context"
	"maps"
	"slices"

	"github.com/scout-speech/scout"
)

// Folder is where the audio of recordings lies.
type Folder interface {
	// Sightings returns a fingerprint for each recording that is there, by id. It changes whenever the files of the recording
	// do, and is found without opening them.
	Sightings(ctx context.Context) (map[string]string, error)
	// Read returns a recording as it is there, with its fingerprint; DeletedAt is set where it lies in the folder's trash. An
	// unknown id gives scout.CodeRecordingNotFound. A Source that is empty keeps the one that the store knows.
	Read(ctx context.Context, id string) (Recording, error)
}

// Problem is a recording that could not be read.
type Problem struct {
	ID  string
	Err error
}

// Reconciled is what Reconcile found.
type Reconciled struct {
	// New, Changed and Gone are numbers of recordings.
	New, Changed, Gone int
	Problems           []Problem
}

// reconcileBatch is how many recordings are noted in one transaction, so that others can write in between.
const reconcileBatch = 500

// Reconcile makes the store agree with the folder, which is the truth about audio: it reads what is new or different there,
// notes what is gone, and follows what was moved into the folder's trash or out of it. It is run at the start and after
// changes that nobody told of; ReconcileOne is enough where the recording is known.
func Reconcile(ctx context.Context, st Store, folder Folder) (Reconciled, error) {
	var result Reconciled
	there, err := folder.Sightings(ctx)
	if err != nil {
		return result, err
	}
	known, err := st.Sightings(ctx)
	if err != nil {
		return result, err
	}
	var work []string
	for id, fingerprint := range there {
		if known[id] != fingerprint || fingerprint == "" {
			work = append(work, id)
		}
	}
	for id := range maps.Keys(known) {
		if _, is := there[id]; !is {
			work = append(work, id)
		}
	}
	slices.Sort(work)
	for batch := range slices.Chunk(work, reconcileBatch) {
		if err := reconcile(ctx, st, folder, batch, &result); err != nil {
			return result, err
		}
	}
	return result, nil
}

// ReconcileOne does the same for one recording.
func ReconcileOne(ctx context.Context, st Store, folder Folder, id string) (Reconciled, error) {
	var result Reconciled
	err := reconcile(ctx, st, folder, []string{id}, &result)
	return result, err
}

func reconcile(ctx context.Context, st Store, folder Folder, ids []string, result *Reconciled) error {
	var found []Recording
	var gone []string
	for _, id := range ids {
		r, err := folder.Read(ctx, id)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case scout.CodeOf(err) == scout.CodeRecordingNotFound:
			gone = append(gone, id)
		case err != nil:
			result.Problems = append(result.Problems, Problem{ID: id, Err: err})
		default:
			found = append(found, r)
		}
	}
	if len(found)+len(gone) == 0 {
		return nil
	}
	return st.Update(ctx, func(tx Tx) error {
		for _, r := range found {
			if err := noteFound(tx, r, result); err != nil {
				return err
			}
		}
		for _, id := range gone {
			changed, err := tx.AudioGone(id)
			if scout.CodeOf(err) == scout.CodeRecordingNotFound {
				continue // neither here nor there
			} else if err != nil {
				return err
			}
			if changed {
				result.Gone++
			}
		}
		return nil
	})
}

func noteFound(tx Tx, r Recording, result *Reconciled) error {
	put, err := tx.PutRecording(r)
	if scout.CodeOf(err) == scout.CodeInvalidArgument {
		result.Problems = append(result.Problems, Problem{ID: r.ID, Err: err})
		return nil
	} else if err != nil {
		return err
	}
	switch {
	case put.New:
		result.New++
	case put.Changed:
		result.Changed++
	}
	switch {
	case !r.DeletedAt.IsZero() && put.DeletedAt.IsZero():
		_, err = tx.Delete(r.ID)
	case r.DeletedAt.IsZero() && !put.DeletedAt.IsZero():
		_, err = tx.Restore(r.ID)
	}
	return err
}
