package recording

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/scout-speech/scout"
)

// State is the state of a recording according to its manifest.
type State string

// The states of a recording. Of those that say recording, only the one that a running recorder writes is really being
// recorded; crashes left the others, until Repair handles them.
const (
	StateRecording State = "recording"
	StateFinished  State = "finished"  // ended normally
	StateRecovered State = "recovered" // ended by a crash and repaired
)

// Device identifies the recorded device.
type Device struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	// Delivers is the device's own format before any conversion, for people: "48000 Hz, 2 channels, pcm_s16le".
	Delivers string `json:"delivers,omitempty"`
}

// manifestVersion is the version of the format that this package writes. Files of a later version
// are read as damaged: the WAV stands for itself.
const manifestVersion = 1

// Manifest is what is known about a recording besides its audio: the JSON file beside the WAV. It has one writer: the
// recorder, at the start, after every gap and at the end; after a crash, Repair.
type Manifest struct {
	Version int    `json:"version"`
	ID      ID     `json:"id"`
	State   State  `json:"state"`
	Device  Device `json:"device"`
	// Format is that of the file.
	Format    scout.Format `json:"format"`
	StartedAt time.Time    `json:"started_at"`
	EndedAt   time.Time    `json:"ended_at,omitzero"`
	EndReason EndReason    `json:"end_reason,omitempty"`
	// Frames is the length of the audio in the file, gaps included; 0 while recording.
	Frames uint64 `json:"frames"`
	// Gaps are in the order of position, do not overlap and lie within the file.
	Gaps []scout.Gap `json:"gaps"`
	// SHA256 is the checksum of the audio bytes (the data chunk) in hexadecimal; empty while recording.
	SHA256 string `json:"sha256,omitempty"`
	// DriftPPM is how much faster (positive) or slower the device's clock ran than wall time, in parts per million; nil
	// if the recording was too short to tell.
	DriftPPM *float64 `json:"drift_ppm,omitempty"`
	// PrerollFrames is how many frames at the beginning were captured before the start was requested.
	PrerollFrames uint64 `json:"preroll_frames,omitempty"`
	// Resumed counts how often a new recorder continued this recording after a crash.
	Resumed int `json:"resumed,omitempty"`
	// Rebuilt says that the manifest was lost and rebuilt from the WAV: gaps and device are unknown.
	Rebuilt bool `json:"rebuilt,omitempty"`
	// TranscribedAt is when the text of the whole recording was safe, as earlier versions of Scout recorded it. It is
	// read and no longer written.
	TranscribedAt time.Time `json:"transcribed_at,omitzero"`
	// Path is where the audio is, in the answers of a recorder; the file does not have it.
	Path string `json:"path,omitempty"`
	// Labels are those that the recording began with.
	Labels map[string]string `json:"labels,omitempty"`
	// Upload is set for a file that somebody sent: see Import.
	Upload *Upload `json:"upload,omitempty"`
	// Sender is set for sound that somebody sends while it is made.
	Sender *Sender `json:"sender,omitempty"`
}

// Upload is what is known of a file that somebody sent. The file keeps its bytes, whatever they are.
type Upload struct {
	MediaType string   `json:"media_type"`
	Bytes     int64    `json:"bytes"`
	Title     string   `json:"title,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	// Client is whoever sent it; empty for the owner.
	Client string `json:"client,omitempty"`
	// Source is by which interface it came, where that was none for uploads: "openai".
	Source string `json:"source,omitempty"`
}

// LostFrames returns how many frames lie in gaps.
func (m *Manifest) LostFrames() uint64 {
	var sum uint64
	for _, g := range m.Gaps {
		sum += g.Frames
	}
	return sum
}

// Duration returns the length of the recording, gaps included.
func (m *Manifest) Duration() time.Duration { return m.Format.Duration(m.Frames) }

// Title returns what whoever sent the recording called it; empty for others.
func (m *Manifest) Title() string {
	switch {
	case m.Upload != nil:
		return m.Upload.Title
	case m.Sender != nil:
		return m.Sender.Title
	}
	return ""
}

// encode returns the manifest as it is stored.
func (m *Manifest) encode() ([]byte, error) {
	if m.Gaps == nil {
		m.Gaps = []scout.Gap{}
	}
	written := *m
	written.TranscribedAt, written.Path = time.Time{}, ""
	data, err := json.MarshalIndent(&written, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest of %s: %w", m.ID, err)
	}
	return append(data, '\n'), nil
}

// maxManifestBytes limits the size of a manifest: 16 MiB hold about 150,000 gaps.
const maxManifestBytes = 16 << 20

// readManifest reads and checks the manifest at path. An invalid file gives an error with scout.CodeRecordingCorrupt, a
// missing one scout.CodeFileNotFound.
func readManifest(path string, id ID) (Manifest, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Manifest{}, scout.FileError(scout.CodeReadFailed, "read manifest", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxManifestBytes {
		return Manifest{}, scout.Errorf(scout.CodeRecordingCorrupt, "manifest %s: not a file of at most %d bytes", path, maxManifestBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, scout.FileError(scout.CodeReadFailed, "read manifest", err)
	}
	m, err := decodeManifest(data)
	if err == nil && m.ID != id {
		err = fmt.Errorf("it is that of %s", m.ID)
	}
	if err != nil {
		return Manifest{}, scout.Errorf(scout.CodeRecordingCorrupt, "manifest %s: %w", path, err)
	}
	return m, nil
}

// decodeManifest reads a manifest and checks its invariants.
func decodeManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, err
	}
	switch {
	case m.Version != manifestVersion:
		return Manifest{}, fmt.Errorf("version %d: want %d", m.Version, manifestVersion)
	case !m.ID.Valid():
		return Manifest{}, fmt.Errorf("id %q", m.ID)
	case !slices.Contains([]State{StateRecording, StateFinished, StateRecovered}, m.State):
		return Manifest{}, fmt.Errorf("state %q", m.State)
	}
	if err := m.Format.Validate(); err != nil {
		return Manifest{}, err
	}
	var end scout.Position
	for _, g := range m.Gaps {
		if g.Frames == 0 || g.Start < end || g.End() < g.Start {
			return Manifest{}, fmt.Errorf("gap of %d frames at %d after one that ends at %d", g.Frames, g.Start, end)
		}
		end = g.End()
	}
	if m.State != StateRecording && end > scout.Position(m.Frames) {
		return Manifest{}, fmt.Errorf("gap ends at %d in %d frames", end, m.Frames)
	}
	return m, nil
}

// insertGap adds g at its place. Frames that already lie in a gap keep their reason; neighbours with the same reason
// are merged. If gaps is sorted and free of overlap, so is the result.
func insertGap(gaps []scout.Gap, g scout.Gap) []scout.Gap {
	if g.Frames == 0 {
		return gaps
	}
	if n := len(gaps); n == 0 || gaps[n-1].End() < g.Start || (gaps[n-1].End() == g.Start && gaps[n-1].Reason != g.Reason) {
		return append(gaps, g)
	}
	merged := make([]scout.Gap, 0, len(gaps)+2)
	put := func(x scout.Gap) {
		if n := len(merged); n > 0 && merged[n-1].End() == x.Start && merged[n-1].Reason == x.Reason {
			merged[n-1].Frames += x.Frames
			return
		}
		if x.Frames > 0 {
			merged = append(merged, x)
		}
	}
	pos := g.Start // the part of g before pos is in merged
	putUntil := func(end scout.Position) {
		if end = min(end, g.End()); pos < end {
			put(scout.Gap{Start: pos, Frames: end.Sub(pos), Reason: g.Reason})
			pos = end
		}
	}
	for _, old := range gaps {
		putUntil(old.Start)
		put(old)
		pos = max(pos, min(old.End(), g.End()))
	}
	putUntil(g.End())
	return merged
}

// clipGaps returns the parts of the gaps within the given number of frames.
func clipGaps(gaps []scout.Gap, frames uint64) []scout.Gap {
	end, kept := scout.Position(frames), make([]scout.Gap, 0, len(gaps))
	for _, g := range gaps {
		if g.Start >= end {
			break
		}
		g.Frames = min(g.Frames, end.Sub(g.Start))
		kept = append(kept, g)
	}
	return kept
}
