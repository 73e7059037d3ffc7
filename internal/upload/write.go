package upload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/scout-speech/scout"
)

// releasedWithin is how long a request waits for an earlier one that writes the same upload, whose connection may be broken without
// anybody having noticed.
const releasedWithin = 3 * time.Second

const (
	blockBytes = 32 << 10
	// syncEvery bounds what is written and not on the device: a sync of 2 GiB at once would hold up the recorder's own.
	syncEvery = 16 << 20
	// sniffed is how much of a file tells what it is. Source: net/http, DetectContentType.
	sniffed = 512
)

// blocks are the buffers of requests that write.
var blocks = sync.Pool{New: func() any { return new([blockBytes]byte) }} //nolint:gochecknoglobals // a pool is shared

// Writing is the right to change an upload. It is for one goroutine.
type Writing struct {
	uploads   *Uploads
	entry     *entry
	interrupt func()
}

// Claim returns the right to change an upload. Who has it is interrupted: a client that comes back after its connection broke need not
// wait until the daemon has noticed that. interrupt makes Append return; nil where the caller appends nothing.
//
//	scout.CodeNotFound      there is no such upload
//	scout.CodeGone          it has expired
//	scout.CodeUploadLocked  the one before does not let go of it
func (u *Uploads) Claim(ctx context.Context, id string, interrupt func()) (*Writing, error) {
	ctx, cancel := context.WithTimeout(ctx, releasedWithin)
	defer cancel()
	for {
		u.mu.Lock()
		e, found := u.entries[id]
		switch {
		case !found:
			u.mu.Unlock()
			return nil, Absent(id)
		case e.info.State == Expired || e.info.State == Receiving && e.writing == nil && !u.now().Before(u.expires(e)):
			u.mu.Unlock()
			return nil, scout.Errorf(scout.CodeGone, "upload %s has expired", id).WithHint("send the file again")
		case e.writing == nil:
			w := &Writing{u, e, interrupt}
			e.writing, e.free = w, make(chan struct{})
			u.mu.Unlock()
			return w, nil
		}
		stop, free := e.writing.interrupt, e.free
		u.mu.Unlock()
		if stop != nil {
			stop()
		}
		select {
		case <-free:
		case <-ctx.Done():
			return nil, scout.Errorf(scout.CodeUploadLocked, "another request writes upload %s", id).WithHint("try again in a moment")
		}
	}
}

// Close gives the right back.
func (w *Writing) Close() {
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	w.entry.writing = nil
	close(w.entry.free)
	w.uploads.hurry()
}

// Status is the upload at this moment.
func (w *Writing) Status() Status {
	w.uploads.mu.Lock()
	defer w.uploads.mu.Unlock()
	return w.uploads.status(w.entry)
}

// Change changes what is kept of the upload, and writes it down before anybody sees it.
func (w *Writing) Change(change func(*Info)) error {
	u := w.uploads
	info := w.Status().Info
	change(&info)
	if err := u.keep(&info); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	w.entry.info, w.entry.changed = info, u.now()
	return nil
}

// SetLength tells the length of an upload that had none.
func (w *Writing) SetLength(n int64) error {
	s := w.Status()
	switch {
	case n > w.uploads.options.MostBytes:
		return w.uploads.tooLarge()
	case n == 0:
		return errNothing()
	case s.Length == n:
		return nil
	case s.Length != Unknown:
		return scout.Errorf(scout.CodeInvalidArgument, "the upload has %d bytes: its length cannot be changed", s.Length)
	case n < s.Offset:
		return scout.Errorf(scout.CodeInvalidArgument, "%d bytes are there already, more than %d", s.Offset, n)
	}
	return w.Change(func(i *Info) { i.Length = n })
}

// Append writes what r yields behind what is there, and returns when it is synced, also after an error: what came before it is kept. More
// than the length gives scout.CodeRequestTooLarge, and nothing of r is kept.
func (w *Writing) Append(r io.Reader) (err error) {
	u, from := w.uploads, w.Status()
	most := u.options.MostBytes
	if from.Length != Unknown {
		most = from.Length
	}
	// Not by atomicfile: it grows with what the client sends.
	file, err := os.OpenFile(u.bytesPath(from.ID), os.O_RDWR, fileMode)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write an upload", err)
	}
	at := from.Offset
	defer func() {
		failure := file.Sync()
		if failure != nil {
			at = from.Offset // nobody knows what is on the device
		}
		err = errors.Join(err, scout.FileError(scout.CodeWriteFailed, "sync an upload", errors.Join(failure, file.Close())))
		u.mu.Lock()
		defer u.mu.Unlock()
		w.entry.offset, w.entry.changed = at, u.now()
		if w.entry.summed > at {
			w.entry.sum, w.entry.summed = nil, 0
		}
	}()
	if at == 0 {
		w.entry.sum, w.entry.summed = sha256.New(), 0
	}
	grant := u.options.Budget.New()
	defer grant.Close()
	block, _ := blocks.Get().(*[blockBytes]byte)
	defer blocks.Put(block)
	synced := at
	for {
		n, readErr := r.Read(block[:])
		if int64(n) > most-at {
			at = from.Offset
			err := scout.FileError(scout.CodeWriteFailed, "write an upload", file.Truncate(at))
			if from.Length == Unknown {
				return errors.Join(u.tooLarge(), err)
			}
			return errors.Join(scout.Errorf(scout.CodeRequestTooLarge, "more bytes came than the %d of the upload", from.Length), err)
		}
		if n > 0 {
			if err := grant.Room(int64(n), most-at); err != nil {
				return err
			}
			written, err := file.WriteAt(block[:n], at)
			grant.Wrote(int64(written))
			u.metrics.bytes.Add(float64(written))
			if w.entry.sum != nil && w.entry.summed == at {
				w.entry.sum.Write(block[:written])
				w.entry.summed += int64(written)
			}
			at += int64(written)
			if err != nil {
				return scout.FileError(scout.CodeWriteFailed, "write an upload", err)
			}
		}
		if at-synced >= syncEvery {
			if err := file.Sync(); err != nil {
				return scout.FileError(scout.CodeWriteFailed, "sync an upload", err)
			}
			synced = at
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

// Path is where the bytes are, until the upload is a recording.
func (w *Writing) Path() string { return w.uploads.bytesPath(w.entry.info.ID) }

// Sum is the SHA-256 of the bytes that are there, in hexadecimal. It reads them only where an earlier request, or process, wrote a part.
func (w *Writing) Sum() (string, error) {
	if w.entry.sum == nil || w.entry.summed != w.Status().Offset {
		file, err := os.Open(w.Path())
		if err != nil {
			return "", scout.FileError(scout.CodeReadFailed, "read an upload", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		sum := sha256.New()
		n, err := io.Copy(sum, file)
		if err != nil {
			return "", scout.FileError(scout.CodeReadFailed, "read an upload", err)
		}
		w.entry.sum, w.entry.summed = sum, n
	}
	return hex.EncodeToString(w.entry.sum.Sum(nil)), nil
}

// complete notes that every byte is there, with their checksum and what they are.
func (w *Writing) complete() error {
	sum, err := w.Sum()
	if err != nil {
		return err
	}
	file, err := os.Open(w.Path())
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "read an upload", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	head := make([]byte, sniffed)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return scout.FileError(scout.CodeReadFailed, "read an upload", err)
	}
	return w.Change(func(i *Info) {
		i.State, i.SHA256, i.MediaType = Complete, sum, MediaType(head[:n])
	})
}

// MediaType is what a file is, by its content. What its client says could be a page that runs in a browser.
func MediaType(head []byte) string {
	switch found := http.DetectContentType(head); found {
	case "audio/wave":
		return "audio/wav"
	case "application/ogg":
		return "audio/ogg"
	case "audio/aiff", "audio/mpeg", "audio/basic", "video/mp4", "video/webm", "video/avi":
		return found
	}
	switch {
	case len(head) >= 4 && string(head[:4]) == "fLaC":
		return "audio/flac"
	case len(head) >= 2 && head[0] == 0xFF && head[1]&0xE6 == 0xE2: // MPEG audio, layer III
		return "audio/mpeg"
	}
	return "application/octet-stream"
}

// Remove ends an upload that nobody wants any more. What has become a recording stays one.
func (w *Writing) Remove() error {
	u, s := w.uploads, w.Status()
	if err := u.forget(s.ID); err != nil {
		return err
	}
	if s.State != Done {
		u.metrics.outcomes.WithLabelValues(outcomeTerminated).Inc()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.entries, s.ID)
	return nil
}

// missing reports whether there is no file at a path.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
