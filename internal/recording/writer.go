package recording

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
)

// Settings are the settings with which a recording begins.
type Settings struct {
	// ID may be chosen by the caller, so that repeating the request begins only one recording; empty for a new one.
	ID            ID
	Format        scout.Format
	Device        Device
	StartedAt     time.Time // wall time of the first frame
	PrerollFrames uint64
	Labels        map[string]string
	// Sender is whoever sends the sound; nil for a microphone.
	Sender *Sender
}

// Writer is the file of a recording while it is recorded.
//
// One goroutine calls Write, Silence, ShowHeader, rewind, rescue and Finish. Sync, SaveManifest, AddGap, look and the
// methods that return numbers may be called from others at the same time. Everything before Frames is in the file,
// everything before Synced survives a loss of power, and the header never states more than Frames.
type Writer struct {
	home atomic.Pointer[Folder]   // where the recording is; another folder if rescue had to use one
	file atomic.Pointer[openFile] // the file being written; another one after rescue
	old  []File                   // files that rescue replaced, still open: a sync may be running
	// claimed prevents others from changing the recording; nil if it could not be claimed.
	claimed *claim
	head    header
	// shown is how many frames the header in the file states.
	shown uint64

	frames atomic.Uint64
	synced atomic.Uint64

	sum    hash.Hash
	summed uint64 // frames that went into sum
	unsure bool   // sum may not be that of the file: Finish computes it again
	inFile uint64 // frames in the file, including those that rewind took back
	reach  int64  // how long a write that failed may have made the file
	zeros  []byte
	encode [HeaderBytes]byte
	read   [HeaderBytes]byte

	mu       sync.Mutex
	manifest Manifest
	version  uint64        // of manifest; grows with each change
	dirty    chan struct{} // capacity 1: the manifest changed

	unsavedSince time.Time // when version became newer than saved; zero if it is not

	saving sync.Mutex    // held while a manifest is written, so that saves do not overtake each other
	saved  atomic.Uint64 // version on disk
}

// openFile is the file of a Writer with its identity.
type openFile struct {
	File
	info os.FileInfo
}

// silenceBlock is how much silence is added to the checksum at a time.
const silenceBlock = 32 << 10

// Create begins a recording: manifest, file and header are on disk when it returns, so a crash at any later moment
// leaves a recording that Repair understands. An ID that already exists gives scout.CodeInvalidArgument.
func (f *Folder) Create(s Settings) (*Writer, error) {
	if s.ID == "" {
		s.ID = NewID(s.StartedAt)
	}
	if !s.ID.Valid() {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "recording id %q: want one like %s", string(s.ID), NewID(s.StartedAt))
	}
	if err := s.Format.Validate(); err != nil {
		return nil, err
	}
	f.fillReserve()
	s.Labels = maps.Clone(s.Labels)
	for _, path := range []string{f.ManifestPath(s.ID), f.AudioPath(s.ID)} {
		if there, err := exists(path); err != nil || there {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "recording %s exists already: %w", s.ID, errors.Join(err, os.ErrExist))
		}
	}
	w := f.newWriter(header{id: s.ID, started: s.StartedAt, format: s.Format}, Manifest{
		Version: manifestVersion, ID: s.ID, State: StateRecording, Device: s.Device, Format: s.Format,
		StartedAt: s.StartedAt.UTC(), PrerollFrames: s.PrerollFrames, Labels: s.Labels, Sender: s.Sender,
	})
	w.claim(0) // nobody else knows the recording
	if err := f.replaceManifest(&w.manifest); err != nil {
		w.claimed.release()
		return nil, err
	}
	if err := w.open(os.O_RDWR | os.O_CREATE | os.O_EXCL); err != nil {
		w.claimed.release()
		return nil, errors.Join(err, removeIfThere(f.AudioPath(s.ID)), removeIfThere(f.ManifestPath(s.ID)))
	}
	return w, nil
}

// claim claims the recording for as long as it is written. Recording works without the claim too: a suspended command
// that was repairing the recording must not prevent it from continuing. Any later change by that command is found and
// repaired like other damage.
func (w *Writer) claim(patience time.Duration) {
	claimed, err := w.home.Load().claim("record", w.head.id, patience)
	if err == nil {
		w.claimed = claimed
	}
}

// Resume continues a recording that a crash interrupted: the writer is at the end of the file. The caller fills the
// missing time with silence and a gap.
func (f *Folder) Resume(id ID) (*Writer, error) {
	return f.resume(id, func(audio audioFile) uint64 { return audio.frames })
}

// resume is Resume where as many frames of the file are kept.
func (f *Folder) resume(id ID, kept func(audioFile) uint64) (*Writer, error) {
	m, err := f.Manifest(id)
	if err != nil {
		return nil, err
	}
	if m.State == StateFinished {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "resume recording %s: it is %s", id, m.State)
	}
	audio, err := inspect(f.AudioPath(id))
	if err != nil {
		return nil, err
	}
	if audio.header.id != id {
		return nil, scout.Errorf(scout.CodeRecordingCorrupt, "resume recording %s: its file has lost its header", id)
	}
	audio.frames = kept(audio)
	m.State, m.EndedAt, m.EndReason, m.SHA256, m.DriftPPM = StateRecording, time.Time{}, "", "", nil
	m.Frames, m.Gaps, m.Resumed = 0, clipGaps(m.Gaps, audio.frames), m.Resumed+1
	w := f.newWriter(audio.header, m)
	w.head.final = false
	w.frames.Store(audio.frames)
	// The checksum is computed from the file at the end: reading a long recording now would take seconds in which
	// nothing is recorded.
	w.unsure = true
	w.summed, w.inFile = audio.frames, audio.frames
	w.claim(claimWithin)
	if err := w.open(os.O_RDWR); err != nil {
		w.claimed.release()
		return nil, err
	}
	w.changed()
	if err := w.SaveManifest(); err != nil {
		w.claimed.release()
		return nil, errors.Join(err, w.file.Load().Close())
	}
	return w, nil
}

func (f *Folder) newWriter(h header, m Manifest) *Writer {
	w := &Writer{
		head: h, manifest: m, sum: sha256.New(), zeros: make([]byte, silenceBlock),
		dirty: make(chan struct{}, 1),
	}
	w.home.Store(f)
	return w
}

// open opens the file, cuts off half a frame that a crash may have left, and syncs header and names.
func (w *Writer) open(flag int) error {
	doing := fmt.Sprintf("begin recording %s", w.head.id)
	folder := w.home.Load()
	file, err := folder.disk.OpenFile(folder.AudioPath(w.head.id), flag)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	err = file.Truncate(w.offset(w.frames.Load()))
	if err == nil {
		err = w.writeHeader(file, w.frames.Load())
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = folder.disk.SyncFolder(folder.dir)
	}
	var info os.FileInfo
	if err == nil {
		info, err = file.Stat()
	}
	if err != nil {
		return errors.Join(scout.FileError(scout.CodeWriteFailed, doing, err), file.Close())
	}
	w.file.Store(&openFile{file, info})
	w.synced.Store(w.frames.Load())
	return nil
}

// ID returns the id of the recording.
func (w *Writer) ID() ID { return w.head.id }

// Format returns the format of the file.
func (w *Writer) Format() scout.Format { return w.head.format }

// StartedAt returns the wall time of frame 0.
func (w *Writer) StartedAt() time.Time { return w.head.started }

// Frames returns how many frames are in the file: they survive the end of this process.
func (w *Writer) Frames() uint64 { return w.frames.Load() }

// Synced returns how many frames survive a loss of power.
func (w *Writer) Synced() uint64 { return w.synced.Load() }

// Folder returns where the recording is.
func (w *Writer) Folder() *Folder { return w.home.Load() }

// Gaps returns a copy of the gaps so far.
func (w *Writer) Gaps() []scout.Gap {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.manifest.Gaps)
}

func (w *Writer) offset(frames uint64) int64 {
	return HeaderBytes + int64(frames)*int64(w.head.format.FrameBytes())
}

// Write appends whole frames: len(p) must be a multiple of the frame size. It returns how many frames were added to the
// file; after an error the next call continues after them. It allocates nothing and does not keep p.
func (w *Writer) Write(p []byte) (frames int, err error) {
	size := w.head.format.FrameBytes()
	if len(p)%size != 0 {
		return 0, scout.Errorf(scout.CodeInvalidArgument, "write recording %s: %d bytes are not whole frames of %d", w.head.id, len(p), size)
	}
	at := w.frames.Load()
	n, err := w.file.Load().WriteAt(p, w.offset(at))
	frames = n / size
	end := at + uint64(frames)
	if end > w.summed {
		_, _ = w.sum.Write(p[int(w.summed-min(w.summed, at))*size : frames*size]) // a hash never fails
		w.summed = end
	}
	w.inFile = max(w.inFile, end)
	w.frames.Store(end)
	if err != nil {
		w.reach = max(w.reach, w.offset(at)+int64(len(p)))
		return frames, scout.FileError(scout.CodeWriteFailed, "write recording", err)
	}
	return frames, nil
}

// Silence appends frames of silence without taking space on the disk, in place of anything that a write that failed left there. It
// does not record why they are silent: see AddGap.
func (w *Writer) Silence(frames uint64) error {
	at := w.frames.Load()
	end := at + frames
	file := w.file.Load()
	size, err := file.Size()
	if err == nil && size > w.offset(at) {
		err = file.Truncate(w.offset(at))
	}
	if err == nil {
		err = file.Truncate(w.offset(end))
	}
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write silence into recording", err)
	}
	w.reach = 0
	for left := (end - min(end, w.summed)) * uint64(w.head.format.FrameBytes()); left > 0; {
		n := min(left, uint64(len(w.zeros)))
		_, _ = w.sum.Write(w.zeros[:n]) // a hash never fails
		left -= n
	}
	w.unsure = w.unsure || at < w.summed // other frames were added to the sum there
	w.summed, w.inFile = max(w.summed, end), max(w.inFile, end)
	w.frames.Store(end)
	return nil
}

// AddGap records that a stretch of the recording is silence because audio is missing. It may lie before or after what
// is written. The next SaveManifest puts it on disk.
func (w *Writer) AddGap(g scout.Gap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.manifest.Gaps = insertGap(w.manifest.Gaps, g)
	w.changedLocked()
}

// ShowHeader makes the header state that many frames, at most those that are written. It writes nothing if the header
// already states as many.
func (w *Writer) ShowHeader(frames uint64) error {
	frames = min(frames, w.frames.Load())
	if frames == w.shown {
		return nil
	}
	if err := w.writeHeader(w.file.Load(), frames); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write header of recording", err)
	}
	return nil
}

// Shown returns how many frames the header in the file states.
func (w *Writer) Shown() uint64 { return w.shown }

func (w *Writer) writeHeader(file File, frames uint64) error {
	h := w.head
	h.frames = frames
	h.encode(w.encode[:])
	if _, err := file.WriteAt(w.encode[:], 0); err != nil {
		return err
	}
	w.shown = frames
	return nil
}

// Sync makes everything that was written before the call durable against a loss of power.
func (w *Writer) Sync() error {
	file, frames := w.file.Load(), w.frames.Load()
	if err := file.Sync(); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "sync recording", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// Frames never shrinks below synced (see rewind), so this cannot break a promise. A sync of a file that no longer
	// belongs to this recording does not count.
	if w.file.Load() == file {
		w.synced.Store(min(frames, w.frames.Load()))
	}
	return nil
}

// rewind goes back to the frame after the last synced one, or to frames if that is later: the frames from there are
// written again. It is for the time after a failed Sync, when the kernel may have dropped what it could not write and
// will not report it again.
func (w *Writer) rewind(frames uint64) uint64 {
	frames = min(max(frames, w.synced.Load()), w.frames.Load())
	w.frames.Store(frames)
	return frames
}

// forward undoes rewind for up to that many frames that cannot be written again, and returns for how many: they are in
// the file, and the device may have them.
func (w *Writer) forward(frames uint64) uint64 {
	at := w.frames.Load()
	end := min(at+frames, w.inFile)
	w.frames.Store(end)
	return end - at
}

// End describes the end of a recording.
type End struct {
	At       time.Time
	Reason   EndReason
	DriftPPM *float64
}

// Finish makes the file final, syncs and closes it and writes the last manifest, which it returns. If a step fails the
// others are still tried; Repair later repairs the rest. At the end Finish checks that the file is in its place, so
// that its report about the file is true.
func (w *Writer) Finish(end End) (Manifest, error) {
	frames := w.frames.Load()
	w.head.final = true
	doing := fmt.Sprintf("finish recording %s", w.head.id)
	file := w.file.Load()
	err := file.Truncate(w.offset(frames))
	w.head.frames = frames
	if _, padded := w.head.audioBytes(); padded && err == nil {
		_, err = file.WriteAt([]byte{0}, w.offset(frames))
	}
	if err == nil {
		err = w.writeHeader(file, frames)
	}
	err = errors.Join(err, file.Sync())
	if err == nil {
		w.synced.Store(frames)
		err = w.sumAgain(file, frames)
	}
	err = errors.Join(err, file.Close())
	for _, old := range w.old {
		_ = old.Close() // its contents were saved again
	}
	err = scout.FileError(scout.CodeWriteFailed, doing, err)
	if err == nil {
		err = w.inPlace(file)
	}

	w.mu.Lock()
	m := &w.manifest
	m.Gaps = clipGaps(m.Gaps, frames)
	m.Frames, m.EndedAt, m.EndReason, m.DriftPPM = frames, end.At.UTC(), end.Reason, end.DriftPPM
	m.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	if err == nil {
		m.State = StateFinished
	}
	final := *m
	final.Gaps = slices.Clone(m.Gaps)
	w.changedLocked()
	w.mu.Unlock()
	err = errors.Join(err, w.SaveManifest())
	w.claimed.release()
	return final, err
}

// sumAgain computes the checksum from the file if the running one may be wrong.
func (w *Writer) sumAgain(file File, frames uint64) error {
	if !w.unsure {
		return nil
	}
	w.sum.Reset()
	size := int64(frames) * int64(w.head.format.FrameBytes())
	n, err := io.Copy(w.sum, io.NewSectionReader(file, HeaderBytes, size))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Abandon closes the file as it is. Repair handles it like a file that a crash left.
func (w *Writer) Abandon() error {
	err := w.file.Load().Close()
	for _, old := range w.old {
		err = errors.Join(err, old.Close())
	}
	w.claimed.release()
	return scout.FileError(scout.CodeWriteFailed, "close recording", err)
}

// Remove deletes the files of a recording that was abandoned before anything was in it.
func (w *Writer) Remove() error {
	folder := w.home.Load()
	return errors.Join(removeIfThere(folder.AudioPath(w.head.id)), removeIfThere(folder.ManifestPath(w.head.id)))
}

// hashAudio adds the first size bytes of audio in the file at path to sum.
func hashAudio(sum io.Writer, path string, size uint64) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "read recording", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(sum, io.NewSectionReader(f, HeaderBytes, int64(size)))
	if err == nil && uint64(n) != size {
		err = io.ErrUnexpectedEOF
	}
	return scout.FileError(scout.CodeReadFailed, "read recording", err)
}
