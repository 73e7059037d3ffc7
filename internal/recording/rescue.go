package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/scout-speech/scout"
)

// Reasons of gaps that other programs cause by changing a recording's file while it is recorded.
const (
	// GapFileTruncated is audio that another program cut off or overwrote and that was no longer in memory.
	GapFileTruncated scout.GapReason = "file_truncated"
	// GapFileLost is audio of a file that disappeared and could no longer be read.
	GapFileLost scout.GapReason = "file_lost"
)

// Damage says what happened to the files of a recording while it is recorded.
type Damage string

// The kinds of damage.
const (
	DamageNone Damage = ""
	// DamageGone is a file that is no longer under its name: the file was deleted or moved, or its folder or disk was.
	DamageGone Damage = "gone"
	// DamageReplaced is another file under the name of this one.
	DamageReplaced Damage = "replaced"
	// DamageTruncated is a file that is shorter than what was written.
	DamageTruncated Damage = "truncated"
	// DamageOverwritten is a file whose beginning no longer belongs to this recording.
	DamageOverwritten Damage = "overwritten"
	// DamageManifest is a manifest that is no longer under its name.
	DamageManifest Damage = "manifest_gone"
	// DamageUnreachable is a file that this user may no longer examine. Writing continues.
	DamageUnreachable Damage = "unreachable"
)

// Text returns the damage in words.
func (d Damage) Text() string {
	switch d {
	case DamageGone:
		return "the file was deleted or moved while recording"
	case DamageReplaced:
		return "another file took the place of the recording"
	case DamageTruncated:
		return "another program cut the file off while recording"
	case DamageOverwritten:
		return "another program overwrote the file while recording"
	case DamageManifest:
		return "the manifest was deleted or moved while recording"
	case DamageUnreachable:
		return "the file may not be looked at any more"
	}
	return string(d)
}

// look compares the files with their expected state. It may be called from any goroutine.
func (w *Writer) look() Damage {
	folder, file := w.home.Load(), w.file.Load()
	info, err := folder.disk.Stat(folder.AudioPath(w.head.id))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return DamageUnreachable
	case err != nil:
		return DamageGone
	case !os.SameFile(info, file.info):
		if w.file.Load() != file {
			return DamageNone // it has just been saved again
		}
		return DamageReplaced
	}
	if _, err := folder.disk.Stat(folder.ManifestPath(w.head.id)); errors.Is(err, fs.ErrNotExist) {
		return DamageManifest
	}
	return DamageNone
}

// inPlace reports whether the file is under its name and has its expected length.
func (w *Writer) inPlace(file *openFile) error {
	folder := w.home.Load()
	path := folder.AudioPath(w.head.id)
	info, err := folder.disk.Stat(path)
	size := w.offset(w.frames.Load())
	switch {
	case errors.Is(err, fs.ErrPermission):
		return scout.Errorf(scout.CodeFilePermission, "the recording is in %s, which may not be looked at any more: %w", path, err)
	case err != nil:
		return scout.Errorf(scout.CodeRecordingLost, "the recording is not at %s any more: %w", path, err)
	case !os.SameFile(info, file.info) || info.Size() < size:
		return scout.Errorf(scout.CodeRecordingLost, "another file is at %s: the recording is not there any more", path)
	}
	return nil
}

// length compares the length of the file with what was written into it. Only the caller of Write may call it. If the
// file is shorter, keep is how many frames are left.
func (w *Writer) length() (damage Damage, keep uint64) {
	size, err := w.file.Load().Size()
	switch {
	case err != nil: // the next write reports the error
	case size < w.offset(w.frames.Load()):
		return DamageTruncated, framesIn(size, w.head.format)
	case size >= max(w.offset(w.inFile+1), w.reach+1): // what a write of our own left when it failed is no damage
		return DamageOverwritten, 0
	}
	return DamageNone, 0
}

// ours reports whether the file begins with the header of this recording; true if it cannot be read.
func (w *Writer) ours() bool {
	n, err := w.file.Load().ReadAt(w.read[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return true
	}
	return n == HeaderBytes && string(w.read[offsetScout+10:offsetScout+10+idLength]) == string(w.head.id)
}

// Saved describes what became of a recording whose file was damaged.
type Saved struct {
	Damage Damage
	// Path is where the audio is now.
	Path string
	// Elsewhere says that this is another folder than the folder of recordings.
	Elsewhere bool
	// Lost is audio that could not be read and was no longer in memory; Lost.Frames is 0 in almost all cases.
	Lost scout.Gap
}

// copyBytes is how much is copied at a time.
const copyBytes = 256 << 10

// rescue saves the recording again from the open file, which is no longer under its name: into the folder, which is
// created if it is missing, else into another one. A file that has the name now is moved aside, not destroyed. Frames
// that cannot be read are taken from memory, which has those from position oldest on: Frames goes back to them, so that
// they are written next.
func (w *Writer) rescue(damage Damage, oldest scout.Position) (Saved, error) {
	var errs []error
	home := w.home.Load()
	for i, dir := range home.places() {
		saved, err := w.saveAgain(home.at(dir), oldest)
		if err == nil {
			saved.Damage, saved.Elsewhere = damage, i > 0
			return saved, nil
		}
		errs = append(errs, err)
	}
	return Saved{Damage: damage}, scout.Errorf(scout.CodeRecordingLost, "save recording %s again: %w", w.head.id, errors.Join(errs...))
}

// places returns the folders into which a recording can be saved again, its own first.
func (f *Folder) places() []string {
	places := []string{f.dir, filepath.Join(filepath.Dir(f.dir), filepath.Base(f.dir)+".rescued")}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, "scout-rescued"))
	}
	return append(places, filepath.Join(os.TempDir(), "scout-rescued-"+strconv.Itoa(os.Getuid())))
}

// saveAgain makes a new file in the folder with everything that is available.
func (w *Writer) saveAgain(to *Folder, oldest scout.Position) (saved Saved, err error) {
	if err := to.disk.MakeFolder(to.dir); err != nil {
		return Saved{}, err
	}
	path := to.AudioPath(w.head.id)
	if err := setAside(path); err != nil {
		return Saved{}, err
	}
	file, err := to.disk.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return Saved{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close(), removeIfThere(path))
		}
	}()
	end := w.frames.Load()
	if err := w.writeHeader(file, 0); err != nil {
		return Saved{}, err
	}
	have, err := w.copyTo(file, end)
	if err != nil {
		return Saved{}, err
	}
	saved = Saved{Path: path}
	next := end // the next frame to write
	if have < end {
		next = max(have, min(uint64(oldest), end))
		saved.Lost = scout.Gap{Start: scout.Position(have), Frames: next - have, Reason: GapFileLost}
		if err := file.Truncate(w.offset(next)); err != nil {
			return Saved{}, err
		}
	}
	if err := w.writeHeader(file, next); err != nil {
		return Saved{}, err
	}
	if err := file.Sync(); err != nil {
		return Saved{}, err
	}
	if err := to.disk.SyncFolder(to.dir); err != nil {
		return Saved{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return Saved{}, err
	}
	w.mu.Lock()
	w.old = append(w.old, w.file.Load().File)
	w.home.Store(to)
	w.file.Store(&openFile{file, info})
	w.inFile, w.reach = next, 0
	w.frames.Store(next)
	w.synced.Store(next)
	if saved.Lost.Frames > 0 {
		w.manifest.Gaps = insertGap(w.manifest.Gaps, saved.Lost)
		w.unsure = true
	}
	w.changedLocked()
	w.mu.Unlock()
	return saved, nil
}

// copyTo copies the audio of the open file, up to frame end, and returns how many frames could be read.
func (w *Writer) copyTo(to File, end uint64) (frames uint64, err error) {
	from := w.file.Load()
	buffer := make([]byte, copyBytes)
	at, last := int64(HeaderBytes), w.offset(end)
	for at < last {
		n, readErr := from.ReadAt(buffer[:min(copyBytes, last-at)], at)
		if n > 0 && !silent(buffer[:n]) { // silence is a hole, as before
			if _, err := to.WriteAt(buffer[:n], at); err != nil {
				return 0, err
			}
		}
		at += int64(n)
		if readErr != nil {
			break
		}
	}
	frames = framesIn(at, w.head.format)
	return frames, to.Truncate(w.offset(frames))
}

func silent(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// setAside renames the file that has the name of a recording, if there is one.
func setAside(path string) error {
	for n := 1; n <= 100; n++ {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		aside := fmt.Sprintf("%s.other-%d", path, n)
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		// Not by atomicfile: the other program's file is moved aside unchanged.
		if err := os.Rename(path, aside); err != nil {
			return err
		}
	}
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, fs.ErrExist)
}

// restore writes again what another program cut off or overwrote: the header, and from frame keep on what memory has,
// which begins at position oldest. What is in neither becomes silence and a gap.
func (w *Writer) restore(damage Damage, keep uint64, oldest scout.Position) (Saved, error) {
	end := w.frames.Load()
	keep = min(keep, end)
	next := max(keep, min(uint64(oldest), end))
	file := w.file.Load()
	saved := Saved{Damage: damage, Path: w.home.Load().AudioPath(w.head.id)}
	err := file.Truncate(w.offset(keep)) // the rest of the file is not ours
	if err == nil {
		err = file.Truncate(w.offset(next))
	}
	if err == nil {
		err = w.writeHeader(file, next)
	}
	if err != nil {
		return Saved{}, scout.FileError(scout.CodeWriteFailed, "restore recording", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFile, w.reach = next, 0
	w.frames.Store(next)
	w.synced.Store(min(w.synced.Load(), keep))
	if next > keep {
		saved.Lost = scout.Gap{Start: scout.Position(keep), Frames: next - keep, Reason: GapFileTruncated}
		w.manifest.Gaps = insertGap(w.manifest.Gaps, saved.Lost)
		w.unsure = true
	}
	w.changedLocked()
	return saved, nil
}

// sameAt reports whether the file has these bytes at frame position pos.
func (w *Writer) sameAt(pos scout.Position, frames []byte) bool {
	got := make([]byte, len(frames))
	if _, err := w.file.Load().ReadAt(got, w.offset(uint64(pos))); err != nil {
		return false
	}
	return bytes.Equal(got, frames)
}
