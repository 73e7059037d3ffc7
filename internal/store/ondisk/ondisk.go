// Package ondisk shows folders of recordings to a store, which reconciles itself with them.
package ondisk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// Part is a folder of recordings and where what lies in it comes from, unless the store knows better.
type Part struct {
	*recording.Folder
	Source store.Source
}

// Folders are all folders of one store. Where two have a recording of the same id, the first one counts.
type Folders []Part

var _ store.Folder = Folders(nil)

// Of returns the folders with the source that each has.
func Of(folders recording.Folders) Folders {
	all := make(Folders, len(folders))
	for i, folder := range folders {
		all[i] = Part{folder, store.Source(folder.Source())}
	}
	return all
}

// Sightings looks at all folders.
func (f Folders) Sightings(ctx context.Context) (store.Sightings, error) {
	type place struct {
		part Part
		seen recording.Sighting
	}
	places := make(map[string]place)
	all := store.Sightings{Fingerprints: make(map[string]string)}
	for _, part := range f {
		sightings, err := part.Sightings()
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return all, fmt.Errorf("look for recordings: %w", err)
		}
		for id, s := range sightings {
			if _, seen := places[string(id)]; !seen {
				places[string(id)] = place{part, s}
				all.Fingerprints[string(id)] = fingerprint(s)
			}
		}
	}
	all.Read = func(ctx context.Context, id string) (store.Recording, error) {
		at, seen := places[id]
		if !seen || at.seen.ManifestBytes == 0 {
			return f.Read(ctx, id)
		}
		manifest, err := at.part.ManifestOf(recording.ID(id), at.seen)
		if err != nil { // it may have moved
			return f.Read(ctx, id)
		}
		return noted(at.part, &manifest, at.seen)
	}
	return all, nil
}

// fingerprint of what is seen of a recording. The time of the audio is left out: it changes while the recording grows, and its
// length says as much.
func fingerprint(s recording.Sighting) string {
	return fmt.Sprintf("%t %d %d %d", s.Trashed, s.AudioBytes, s.ManifestBytes, s.ManifestTime.UnixNano())
}

// Read returns a recording as it is on disk.
func (f Folders) Read(_ context.Context, id string) (store.Recording, error) {
	for _, part := range f {
		seen, err := part.Sight(recording.ID(id))
		if scout.CodeOf(err) == scout.CodeRecordingNotFound {
			continue
		} else if err != nil {
			return store.Recording{}, err
		}
		return read(part, recording.ID(id), seen)
	}
	return store.Recording{}, scout.Errorf(scout.CodeRecordingNotFound, "no recording %q", id)
}

func read(part Part, id recording.ID, seen recording.Sighting) (store.Recording, error) {
	manifest, err := part.ManifestOf(id, seen)
	if errors.Is(err, context.Canceled) || err != nil && scout.CodeOf(err) != scout.CodeRecordingNotFound {
		return store.Recording{}, err
	}
	if err != nil { // audio whose manifest a crash took: repair makes one
		at, _ := id.Time()
		manifest = recording.Manifest{ID: id, State: recording.StateRecording, StartedAt: at}
	}
	return noted(part, &manifest, seen)
}

// noted is a recording as the store notes it.
func noted(part Part, manifest *recording.Manifest, seen recording.Sighting) (store.Recording, error) {
	data, err := json.Marshal(manifest)
	if err != nil {
		return store.Recording{}, fmt.Errorf("encode manifest of %s: %w", manifest.ID, err)
	}
	r := store.Recording{
		ID: string(manifest.ID), Source: part.Source, State: string(manifest.State), Device: manifest.Device.Name, StartedAt: manifest.StartedAt,
		EndedAt: manifest.EndedAt, Duration: manifest.Duration(), LostFrames: manifest.LostFrames(), Bytes: seen.AudioBytes,
		Audio: store.AudioPresent, Manifest: data, Fingerprint: fingerprint(seen), Labels: manifest.Labels,
	}
	if u := manifest.Upload; u != nil {
		r.Title, r.Tags, r.Client = u.Title, u.Tags, u.Client
		r.Source = cmp.Or(store.Source(u.Source), r.Source)
	}
	if s := manifest.Sender; s != nil {
		r.Title, r.Tags, r.Client = s.Title, s.Tags, s.Client
	}
	if r.StartedAt.IsZero() {
		r.StartedAt, _ = manifest.ID.Time()
	}
	if seen.Trashed {
		r.DeletedAt = time.Now()
	}
	if seen.AudioBytes == 0 {
		r.Audio = store.AudioRemoved
	}
	return r, nil
}
