package recording

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// uploadSuffix ends the names of files that somebody sent. What they are is in the manifest.
const uploadSuffix = ".audio"

// UploadFormat is the format in the manifest of an upload: that into which Scout decodes it. Frames are 0 until that was done.
func UploadFormat() scout.Format {
	return scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}
}

// OpenUploads opens a folder of files that somebody sent. No recorder works in it, and the audio is of any format.
func OpenUploads(dir string) (*Folder, error) {
	return openSent(dir, kind{source: SourceUpload, audio: uploadSuffix})
}

// OpenImports opens a folder of files of the original Scout. They are as those that somebody sent.
func OpenImports(dir string) (*Folder, error) {
	return openSent(dir, kind{source: SourceImport, audio: uploadSuffix})
}

// asSent reports whether the audio of the folder is of any format, as it came.
func (f *Folder) asSent() bool { return f.audio == uploadSuffix }

// Import makes a recording of a complete, synced file, which must lie on the disk of the folder. The manifest is written before the file
// is moved, so that whoever finds the file knows whose it is. Repeating it after a crash completes it.
//
//	m  needs ID, StartedAt, EndedAt, SHA256 (of all bytes) and Upload
func (f *Folder) Import(m Manifest, path string) error {
	const doing = "take an upload over"
	m.Version, m.State, m.EndReason, m.Format = manifestVersion, StateFinished, EndStopped, UploadFormat()
	return f.claimed(doing, m.ID, func() error {
		if _, err := f.Manifest(m.ID); err != nil {
			if err := f.replaceManifest(&m); err != nil {
				return err
			}
		}
		// Not by atomicfile: the file is complete and synced, and changes its folder.
		err := os.Rename(path, f.AudioPath(m.ID))
		if there, lookErr := exists(f.AudioPath(m.ID)); err != nil && lookErr == nil && there {
			err = nil // an earlier call has moved it
		}
		if err == nil {
			err = f.disk.SyncFolder(f.dir)
		}
		return scout.FileError(scout.CodeWriteFailed, doing, err)
	})
}

// Withdraw undoes Import: the file goes back to path.
func (f *Folder) Withdraw(id ID, path string) error {
	const doing = "give an upload back"
	return f.claimed(doing, id, func() error {
		// Not by atomicfile: as above.
		if err := os.Rename(f.AudioPath(id), path); err != nil {
			return scout.FileError(scout.CodeWriteFailed, doing, err)
		}
		return scout.FileError(scout.CodeWriteFailed, doing, errors.Join(removeIfThere(f.outlinePath(id)), removeIfThere(f.ManifestPath(id))))
	})
}

// Heard notes how long an upload is, once it was decoded.
func (f *Folder) Heard(id ID, length time.Duration) error {
	return f.claimed("note the length of an upload", id, func() error {
		m, err := f.Manifest(id)
		if err != nil || m.Upload == nil || m.Frames == m.Format.Frames(length) {
			return err
		}
		m.Frames = m.Format.Frames(length)
		return f.replaceManifest(&m)
	})
}

// repairUpload completes a move to the trash that a crash interrupted, and returns what is wrong otherwise. Nothing is made from a file that
// somebody sent: it says neither whose it is nor which bytes it had.
func (f *Folder) repairUpload(id ID) error {
	there, err := exists(f.AudioPath(id))
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "repair recording "+string(id), err)
	}
	if !there {
		if moved, err := f.finishTrashing(id); err != nil || moved {
			return err
		}
		if there, err := exists(f.ManifestPath(id)); err == nil && !there {
			return nil // it was removed a moment ago
		}
		return scout.Errorf(scout.CodeRecordingNotFound, "recording %s: the manifest is there, the file is not", id).
			WithHint("if its upload was interrupted, the daemon completes it: scout status")
	}
	m, err := f.Manifest(id)
	if err != nil {
		return err
	}
	return f.checkUpload(&m)
}

// Complete compares the size of an upload with its manifest: scout.CodeRecordingCorrupt where bytes are missing. It reads nothing.
func (f *Folder) Complete(m *Manifest) error { return f.checkUpload(m) }

// checkUpload compares the size of an upload with its manifest.
func (f *Folder) checkUpload(m *Manifest) error {
	info, err := os.Stat(f.AudioPath(m.ID))
	switch {
	case err != nil:
		return scout.FileError(scout.CodeReadFailed, "look at recording "+string(m.ID), err)
	case m.Upload == nil:
		return scout.Errorf(scout.CodeRecordingCorrupt, "recording %s: its manifest is not that of an upload", m.ID)
	case info.Size() != m.Upload.Bytes:
		return scout.Errorf(scout.CodeRecordingCorrupt, "recording %s: %d bytes are there, the manifest says %d", m.ID, info.Size(), m.Upload.Bytes)
	}
	return nil
}

// verifyUpload reads every byte of an upload.
func (f *Folder) verifyUpload(m *Manifest) error {
	file, err := os.Open(f.AudioPath(m.ID))
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "verify recording "+string(m.ID), err)
	}
	defer func() { _ = file.Close() }() // it was only read
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "verify recording "+string(m.ID), err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != m.SHA256 || n != m.Upload.Bytes {
		return scout.Errorf(scout.CodeRecordingCorrupt, "verify recording %s: %d bytes with the checksum %s, the manifest says %d and %s", m.ID, n, got, m.Upload.Bytes, m.SHA256)
	}
	return nil
}

// Unplaced is an error about a file without its path, which is no business of a client.
func Unplaced(err error, path, name string) error {
	if err == nil || !strings.Contains(err.Error(), path) {
		return err
	}
	said := scout.Errorf(scout.CodeOf(err), "%s", strings.ReplaceAll(scout.Plain(err), path, name))
	if hint := scout.HintOf(err); hint != "" {
		return said.WithHint("%s", strings.ReplaceAll(hint, path, name))
	}
	return said
}
