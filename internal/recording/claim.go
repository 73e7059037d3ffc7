package recording

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
)

// claimsName is the folder, inside the folder of recordings, of the current claims. It does not exist while there are
// none.
const claimsName = ".claims"

// claimWithin is how long a command waits for another one that changes the same recording.
const claimWithin = 250 * time.Millisecond

// claimMisses is how often the folder of claims may be removed between its creation and its use.
const claimMisses = 20

// claim is the right to change the files of one recording: a locked file that is named after it. The lock ends with the
// process that holds it, however that ends. Only programs that want to change the same recording wait for a claim, so a
// command that is stopped in the middle of its work prevents no other recording from beginning.
type claim struct{ file *os.File }

// claim claims the recording. If another program does not release it in time, the error has scout.CodeRecordingInUse
// and names that program's process.
func (f *Folder) claim(doing string, id ID, patience time.Duration) (*claim, error) {
	dir := filepath.Join(f.dir, claimsName)
	path := filepath.Join(dir, string(id))
	began := time.Now()
	for missed := 0; ; time.Sleep(lockPause) { // nothing announces the end of another process's lock
		// Not by atomicfile: only the lock of the file matters.
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
		if errors.Is(err, fs.ErrNotExist) {
			if err = os.Mkdir(dir, folderMode); err == nil || errors.Is(err, fs.ErrExist) {
				// Not by atomicfile: as above.
				file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
			}
		}
		if errors.Is(err, fs.ErrNotExist) && missed < claimMisses {
			missed++ // the last holder removed the folder at this moment; no time counts, as this process may have been suspended in between
			continue
		}
		if err != nil {
			return nil, scout.FileError(scout.CodeWriteFailed, doing, err)
		}
		got, err := filelock.Try(file)
		if err == nil && got && isAt(file, path) {
			_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
			if err != nil && scout.CodeOf(scout.FileError(scout.CodeWriteFailed, doing, err)) == scout.CodeDiskFull {
				err = nil // the second one does not learn who the first was
			}
			if err == nil {
				return &claim{file}, nil
			}
		}
		holder := claimant(file)
		if err := errors.Join(err, filelock.Close(file)); err != nil {
			return nil, scout.FileError(scout.CodeWriteFailed, doing, err)
		}
		if !got && time.Since(began) >= patience {
			return nil, inUse(doing, id, holder)
		}
	}
}

// inUse returns the error for a recording that another process has claimed; holder is 0 if it is not known.
func inUse(doing string, id ID, holder int) error {
	if holder == 0 {
		return scout.Errorf(scout.CodeRecordingInUse, "%s %s: another program is changing it", doing, id)
	}
	return scout.Errorf(scout.CodeRecordingInUse, "%s %s: process %d is changing it", doing, id, holder).
		WithHint("wait until it has finished; if it is suspended, continue it (kill -CONT %d) or end it (kill %d)", holder, holder)
}

// isAt reports whether the open file is the one at that path.
func isAt(file *os.File, path string) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	mine, err := file.Stat()
	return err == nil && os.SameFile(there, mine)
}

// claimant returns the process that has claimed a recording; 0 if it is not recorded.
func claimant(file *os.File) int {
	content, err := io.ReadAll(io.NewSectionReader(file, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0
	}
	return pid
}

// release releases the claim. A nil claim belongs to a caller that continued without one. A failure here leaves an
// empty file that claims nothing.
func (c *claim) release() {
	if c == nil {
		return
	}
	if path := c.file.Name(); isAt(c.file, path) {
		_ = os.Remove(path)
		_ = os.Remove(filepath.Dir(path)) // it stays if others hold claims
	}
	_ = filelock.Close(c.file)
}

// claimed calls work with the recording claimed.
func (f *Folder) claimed(doing string, id ID, work func() error) error {
	if !id.Valid() {
		return work() // work reports that
	}
	c, err := f.claim(doing, id, claimWithin)
	if err != nil {
		return err
	}
	defer c.release()
	return work()
}

// hasClaims reports whether any recording is claimed.
func (f *Folder) hasClaims() bool {
	dir := filepath.Join(f.dir, claimsName)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		file, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // released at this moment
		}
		held, err := filelock.Held(file)
		_ = file.Close() // it was only read
		if err == nil && held {
			return true
		}
	}
	return false
}
