package recording

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
)

// Repaired is a recording that Repair has repaired.
type Repaired struct {
	Manifest Manifest
	// Reason says what was wrong.
	Reason string
}

// RepairReport is the result of Repair.
type RepairReport struct {
	Repaired []Repaired
	// Problems were left as they are: files of other programs, audio that disappeared or shrank.
	Problems []Problem
}

// Repair repairs what a crash left in the folder: lengths in headers, half a frame at the end, manifests that still say
// recording (they become recovered, with the checksum of what is there), and lost or damaged manifests, which are
// rebuilt from the WAV. Files that Scout did not make are reported and left alone, and no audio is ever deleted.
// Repairing again changes nothing.
//
// Only the recorder calls it. It holds the folder's Lock, so nothing is being recorded meanwhile; other programs call
// Recover. A recording that the caller is about to resume is left out, because reading all of a long one takes time. A
// recording that another program is changing is also left out, and reported; Repair waits for nobody.
func (f *Folder) Repair(but ...ID) (RepairReport, error) {
	scan, err := f.scan()
	if err != nil {
		return RepairReport{}, err
	}
	return f.repairAll(scan, but), nil
}

// Recover is Repair for a program that is not a recorder. If a recorder lives or is being restarted, it changes nothing
// and the error has scout.CodeRecordingLocked, because an unfinished recording may really be in progress. A read-only
// folder gives scout.CodeFilePermission.
//
// Where no recorder works, what says that it is being recorded is left to the daemon, which goes on with it or ends it, and
// what somebody has claimed is in good hands; neither is reported.
func (f *Folder) Recover() (RepairReport, error) {
	if err := unix.Access(f.dir, unix.W_OK); err != nil {
		return RepairReport{}, scout.Errorf(scout.CodeFilePermission, "repair the recordings in %s: %w", f.dir, err)
	}
	// The order matters: a recorder that began the unfinished recordings of the scan is looked for afterwards.
	scan, err := f.scan()
	if err != nil {
		return RepairReport{}, err
	}
	if !f.recorded() {
		return f.repairAll(scan, nil), nil
	}
	if holder, held := Holder(f.dir); held {
		return RepairReport{}, lockedBy(f.dir, holder)
	}
	if HasParent(f.dir) {
		return RepairReport{}, scout.Errorf(scout.CodeRecordingLocked, "folder %s is in use: its recorder is being started again", f.dir)
	}
	return f.repairAll(scan, nil), nil
}

func (f *Folder) repairAll(scan scan, but []ID) RepairReport {
	report := RepairReport{Problems: scan.foreign}
	if f.hasClaims() {
		scan.leftovers = nil // another program may be writing them
	}
	for _, path := range scan.leftovers {
		if err := removeIfThere(path); err != nil {
			report.Problems = append(report.Problems, Problem{Path: path, Err: scout.FileError(scout.CodeWriteFailed, "remove leftover", err)})
		}
	}
	for _, id := range scan.ids {
		if slices.Contains(but, id) || f.leftToDaemon(id) {
			continue
		}
		repaired, err := f.repair(id, 0)
		if !f.recorded() && scout.CodeOf(err) == scout.CodeRecordingInUse {
			continue
		}
		if err != nil {
			report.Problems = append(report.Problems, Problem{Path: f.AudioPath(id), Err: err})
		} else if repaired != nil {
			report.Repaired = append(report.Repaired, *repaired)
		}
	}
	return report
}

// Intact reports whether Repair would change nothing, and what it would then report. It writes nothing and takes no
// lock.
func (f *Folder) Intact() (bool, RepairReport, error) {
	scan, err := f.scan()
	if err != nil || len(scan.leftovers) > 0 {
		return false, RepairReport{}, err
	}
	for _, id := range scan.ids {
		if !f.leftToDaemon(id) && !f.intact(id) {
			return false, RepairReport{}, nil
		}
	}
	return true, RepairReport{Problems: scan.foreign}, nil
}

// recorded reports whether a recorder works in the folder.
func (f *Folder) recorded() bool { return f.source == SourceMicrophone }

// leftToDaemon reports whether a recording is the daemon's to repair.
func (f *Folder) leftToDaemon(id ID) bool {
	if f.recorded() {
		return false
	}
	m, err := f.Manifest(id)
	return err == nil && m.State == StateRecording
}

// intact reports whether a recording needs no repair.
func (f *Folder) intact(id ID) bool {
	m, err := f.Manifest(id)
	if err != nil || m.State == StateRecording {
		return false
	}
	if f.asSent() {
		return f.checkUpload(&m) == nil
	}
	audio, err := inspect(f.AudioPath(id))
	return err == nil && !audio.foreign && audio.header.id == id && audio.header.frames == m.Frames && audio.frames >= m.Frames
}

// repairOneWithin is how long RepairOne waits for a program that is just releasing the recording.
const repairOneWithin = 2 * time.Second

// RepairOne is Repair for one recording; nil if nothing was wrong.
func (f *Folder) RepairOne(id ID) (*Repaired, error) { return f.repair(id, repairOneWithin) }

// repair repairs one recording; nil if nothing was wrong.
func (f *Folder) repair(id ID, patience time.Duration) (*Repaired, error) {
	if f.intact(id) {
		return nil, nil
	}
	c, err := f.claim("repair recording", id, patience)
	if err != nil {
		return nil, err
	}
	defer c.release()
	return f.repairClaimed(id)
}

// repairClaimed is repair for the holder of the claim.
func (f *Folder) repairClaimed(id ID) (*Repaired, error) {
	if f.asSent() {
		return nil, f.repairUpload(id)
	}
	m, manifestErr := f.Manifest(id)
	code := scout.CodeOf(manifestErr)
	if manifestErr != nil && code != scout.CodeRecordingCorrupt && code != scout.CodeRecordingNotFound {
		return nil, manifestErr
	}
	audio, err := inspect(f.AudioPath(id))
	switch {
	case scout.CodeOf(err) == scout.CodeFileNotFound && manifestErr == nil && m.State == StateRecording:
		// The manifest is written before the file: this recording never began.
		if err := removeIfThere(f.ManifestPath(id)); err != nil {
			return nil, scout.FileError(scout.CodeWriteFailed, "remove manifest of a recording that never began", err)
		}
		return nil, nil
	case scout.CodeOf(err) == scout.CodeFileNotFound:
		if moved, err := f.finishTrashing(id); err != nil || moved {
			return nil, err
		}
		return nil, scout.Errorf(scout.CodeRecordingNotFound, "recording %s: the manifest is there, the audio is not", id)
	case err != nil:
		return nil, err
	case audio.foreign:
		return nil, scout.Errorf(scout.CodeRecordingForeign, "%s: not made by Scout; left alone", f.AudioPath(id))
	case audio.header.id != "" && audio.header.id != id:
		return nil, scout.Errorf(scout.CodeRecordingForeign, "%s: the file is recording %s, renamed or copied; left alone", f.AudioPath(id), audio.header.id)
	}
	if manifestErr == nil {
		return f.repairKnown(m, audio)
	}
	if audio.header.id == "" {
		return nil, scout.Errorf(scout.CodeRecordingCorrupt, "recording %s: neither header nor manifest can be read: %w", id, manifestErr)
	}
	return f.rebuild(id, audio, manifestErr)
}

// repairKnown repairs a recording whose manifest is valid.
func (f *Folder) repairKnown(m Manifest, audio audioFile) (*Repaired, error) {
	if audio.header.id == "" { // the header never reached the disk, or was damaged later
		audio.header = header{id: m.ID, started: m.StartedAt, format: m.Format}
		audio.frames = framesIn(audio.size, m.Format)
		if m.State != StateRecording {
			return f.restoreHeader(m, audio)
		}
	}
	if m.State != StateRecording {
		if audio.frames < m.Frames {
			return nil, scout.Errorf(scout.CodeRecordingCorrupt, "recording %s: only %d of %d frames are there", m.ID, audio.frames, m.Frames)
		}
		if audio.header.frames != m.Frames {
			return f.restoreHeader(m, audio)
		}
		return nil, nil
	}
	return f.recover(m, audio, "the recorder ended before the recording did")
}

// restoreHeader writes the header of a recording that ended normally.
func (f *Folder) restoreHeader(m Manifest, audio audioFile) (*Repaired, error) {
	if audio.frames < m.Frames {
		return nil, scout.Errorf(scout.CodeRecordingCorrupt, "recording %s: only %d of %d frames are there", m.ID, audio.frames, m.Frames)
	}
	audio.header.frames = m.Frames
	if err := f.finalise(audio.header); err != nil {
		return nil, err
	}
	return &Repaired{Manifest: m, Reason: "the header was damaged"}, nil
}

// rebuild rebuilds the manifest from the WAV.
func (f *Folder) rebuild(id ID, audio audioFile, cause error) (*Repaired, error) {
	reason := "the manifest was missing"
	if scout.CodeOf(cause) == scout.CodeRecordingCorrupt {
		reason = "the manifest was damaged"
		path := f.ManifestPath(id)
		// Not by atomicfile: the unreadable file is moved aside unchanged.
		if err := os.Rename(path, filepath.Join(f.dir, string(id)+damagedSuffix)); err != nil {
			return nil, scout.FileError(scout.CodeWriteFailed, "set damaged manifest aside", err)
		}
	}
	m := Manifest{Version: manifestVersion, ID: id, Format: audio.header.format, StartedAt: audio.header.started, Rebuilt: true}
	return f.recover(m, audio, reason)
}

// recover makes a recording of what is in the file.
func (f *Folder) recover(m Manifest, audio audioFile, reason string) (*Repaired, error) {
	audio.header.frames = audio.frames
	if err := f.finalise(audio.header); err != nil {
		return nil, err
	}
	sum := sha256.New()
	if err := hashAudio(sum, f.AudioPath(m.ID), audio.frames*uint64(m.Format.FrameBytes())); err != nil {
		return nil, err
	}
	m.State, m.EndReason = StateRecovered, EndCrash
	m.Frames, m.Gaps = audio.frames, clipGaps(m.Gaps, audio.frames)
	m.EndedAt = m.StartedAt.Add(m.Format.Duration(m.Frames))
	m.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err := f.replaceManifest(&m); err != nil {
		return nil, err
	}
	return &Repaired{Manifest: m, Reason: reason}, nil
}

// finalise gives the file the size and the header of a recording of the header's length.
func (f *Folder) finalise(h header) (err error) {
	doing := fmt.Sprintf("repair recording %s", h.id)
	h.final = true
	file, err := f.disk.OpenFile(f.AudioPath(h.id), os.O_RDWR)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	defer func() { err = errors.Join(err, scout.FileError(scout.CodeWriteFailed, doing, file.Close())) }()
	size, padded := h.audioBytes()
	end := HeaderBytes + int64(size)
	if padded {
		end++ // Truncate adds a zero
	}
	err = file.Truncate(HeaderBytes + int64(size))
	if err == nil {
		err = file.Truncate(end)
	}
	if err == nil {
		var b [HeaderBytes]byte
		h.encode(b[:])
		_, err = file.WriteAt(b[:], 0)
	}
	if err == nil {
		err = file.Sync()
	}
	return scout.FileError(scout.CodeWriteFailed, doing, err)
}

// Verify reads the whole recording and compares it with its manifest: length, header, checksum. A difference gives
// scout.CodeRecordingCorrupt.
func (f *Folder) Verify(id ID) (Manifest, error) {
	m, err := f.Manifest(id)
	if err != nil {
		return Manifest{}, err
	}
	if m.State == StateRecording {
		return m, scout.Errorf(scout.CodeRecordingInUse, "verify recording %s: it is being recorded or was not recovered yet", id)
	}
	if m.Upload != nil {
		err := f.verifyUpload(&m)
		return m, err
	}
	audio, err := inspect(f.AudioPath(id))
	if err != nil {
		return m, err
	}
	switch {
	case audio.header.id != id || audio.header.format != m.Format:
		return m, scout.Errorf(scout.CodeRecordingCorrupt, "verify recording %s: the header is damaged", id)
	case audio.header.frames != m.Frames || audio.frames != m.Frames:
		return m, scout.Errorf(scout.CodeRecordingCorrupt, "verify recording %s: %d frames in the manifest, %d in the header, %d in the file",
			id, m.Frames, audio.header.frames, audio.frames)
	}
	sum := sha256.New()
	if err := hashAudio(sum, f.AudioPath(id), m.Frames*uint64(m.Format.FrameBytes())); err != nil {
		return m, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != m.SHA256 {
		return m, scout.Errorf(scout.CodeRecordingCorrupt, "verify recording %s: checksum %s, the manifest says %s", id, got, m.SHA256)
	}
	return m, nil
}
