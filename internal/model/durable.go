package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// copyBufferBytes is the amount that is read and hashed at a time, between checks for cancellation.
const copyBufferBytes = 256 << 10

// syncDir makes renames and new names in dir durable.
func syncDir(dir string) error {
	return scout.FileError(scout.CodeWriteFailed, "sync folder "+dir, atomicfile.OS{}.SyncFolder(dir))
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// hashFile returns the SHA-256 of a file in hexadecimal and its length. It checks ctx between reads.
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

// removeAll deletes a folder that belongs to Scout.
func removeAll(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return scout.FileError(scout.CodeWriteFailed, fmt.Sprintf("delete %s", path), err)
	}
	return nil
}
