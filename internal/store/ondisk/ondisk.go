// Package ondisk shows folders of recordings to a store, which reconciles itself with them.
package ondisk

import (
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

// Sightings returns a fingerprint for each recording.
func (f Folders) Sightings(ctx context.Context) (map[string]string, error) {
	all := make(map[string]string)
	for _, part := range f {
		sightings, err := part.Sightings()
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("look for recordings: %w", err)
		}
		for id, s := range sightings {
			if _, seen := all[string(id)]; !seen {
				all[string(id)] = fingerprint(s)
			}
		}
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
	data, err := json.Marshal(&manifest)
	if err != nil {
		return store.Recording{}, fmt.Errorf("encode manifest of %s: %w", id, err)
	}
	r := store.Recording{
		ID: string(id), Source: part.Source, State: string(manifest.State), Device: manifest.Device.Name, StartedAt: manifest.StartedAt,
		EndedAt: manifest.EndedAt, Duration: manifest.Duration(), LostFrames: manifest.LostFrames(), Bytes: seen.AudioBytes,
		Audio: store.AudioPresent, Manifest: data, Fingerprint: fingerprint(seen), Labels: manifest.Labels,
	}
	if r.StartedAt.IsZero() {
		r.StartedAt, _ = id.Time()
	}
	if seen.Trashed {
		r.DeletedAt = time.Now()
	}
	if seen.AudioBytes == 0 {
		r.Audio = store.AudioRemoved
	}
	return r, nil
}
