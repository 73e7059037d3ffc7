package store

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
)

// Folder is where the audio of recordings lies.
type Folder interface {
	// Sightings looks at the folder once, without opening the files of a recording.
	Sightings(ctx context.Context) (Sightings, error)
	// Read returns a recording as it is there, with its fingerprint; DeletedAt is set where it lies in the folder's trash. An
	// unknown id gives scout.CodeRecordingNotFound. A Source that is empty keeps the one that the store knows.
	Read(ctx context.Context, id string) (Recording, error)
}

// Sightings are what one look at a folder showed.
type Sightings struct {
	// Fingerprints are those of all recordings, by id. A fingerprint changes whenever the files of the recording do.
	Fingerprints map[string]string
	// Read is Folder.Read for a recording that was seen, quicker where nothing has moved since the look. It may be called from any
	// goroutine.
	Read func(ctx context.Context, id string) (Recording, error)
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
const reconcileBatch = 1000

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
	for id, fingerprint := range there.Fingerprints {
		if known[id] != fingerprint || fingerprint == "" {
			work = append(work, id)
		}
	}
	for id := range maps.Keys(known) {
		if _, is := there.Fingerprints[id]; !is {
			work = append(work, id)
		}
	}
	slices.Sort(work)
	read := func(ctx context.Context, id string) (Recording, error) {
		if _, seen := there.Fingerprints[id]; seen {
			return there.Read(ctx, id)
		}
		return folder.Read(ctx, id)
	}
	// One goroutine reads the next recordings while the last ones are written.
	batches := make(chan batch)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { // ends with the work, or with the context of the group when writing failed
		defer close(batches)
		for ids := range slices.Chunk(work, reconcileBatch) {
			b, err := readBatch(groupCtx, read, ids)
			if err != nil {
				return err
			}
			select {
			case batches <- b:
			case <-groupCtx.Done():
				return context.Cause(groupCtx)
			}
		}
		return nil
	})
	group.Go(func() error {
		for b := range batches {
			if err := b.note(groupCtx, st, &result); err != nil {
				return err
			}
		}
		return nil
	})
	return result, group.Wait()
}

// ReconcileOne does the same for one recording.
func ReconcileOne(ctx context.Context, st Store, folder Folder, id string) (Reconciled, error) {
	var result Reconciled
	b, err := readBatch(ctx, folder.Read, []string{id})
	if err == nil {
		err = b.note(ctx, st, &result)
	}
	return result, err
}

// batch is what is noted in one transaction.
type batch struct {
	found    []Recording
	gone     []string
	problems []Problem
}

// readBatch reads recordings. The error is that of a context that ended.
func readBatch(ctx context.Context, read func(context.Context, string) (Recording, error), ids []string) (batch, error) {
	b := batch{found: make([]Recording, 0, len(ids))}
	for _, id := range ids {
		r, err := read(ctx, id)
		switch {
		case ctx.Err() != nil:
			return b, context.Cause(ctx)
		case scout.CodeOf(err) == scout.CodeRecordingNotFound:
			b.gone = append(b.gone, id)
		case err != nil:
			b.problems = append(b.problems, Problem{ID: id, Err: err})
		default:
			b.found = append(b.found, r)
		}
	}
	return b, nil
}

// note writes what was read into the store.
func (b *batch) note(ctx context.Context, st Store, result *Reconciled) error {
	result.Problems = append(result.Problems, b.problems...)
	if len(b.found)+len(b.gone) == 0 {
		return nil
	}
	return st.Update(ctx, func(tx Tx) error {
		for i := range b.found {
			if err := noteFound(tx, b.found[i], result); err != nil {
				return err
			}
		}
		for _, id := range b.gone {
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
