package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// copyBufferBytes is the unit in which files are read, hashed and cancelled.
const copyBufferBytes = 256 << 10

// writeFileAtomic writes a small file so that after a crash either the old or the new content is
// there: temporary file, write, fsync, rename, fsync of the directory.
func writeFileAtomic(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write "+path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(os.Remove(temp.Name())))
		}
	}()
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Chmod(0o644)
	}
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write "+path, err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write "+path, err)
	}
	return syncDir(dir)
}

// syncDir makes renames and new names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "sync folder", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "sync folder "+dir, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// hashFile returns the SHA-256 of a file in hexadecimal and its length. It looks at ctx between reads.
func hashFile(ctx context.Context, path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, scout.FileError(scout.CodeReadFailed, "hash", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := sha256.New()
	size, err = io.CopyBuffer(onlyWriter{hash}, contextReader{ctx, file}, make([]byte, copyBufferBytes))
	if err != nil {
		return "", size, scout.FileError(scout.CodeReadFailed, "hash "+path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// contextReader ends a copy when ctx ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// onlyWriter hides ReaderFrom, which would choose its own buffer.
type onlyWriter struct{ io.Writer }

// removeAll deletes a folder of ours.
func removeAll(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return scout.FileError(scout.CodeWriteFailed, fmt.Sprintf("delete %s", path), err)
	}
	return nil
}
